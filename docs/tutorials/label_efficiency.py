"""
How many labels does your volume need?
======================================

Annotation is the expensive part. This page takes a volume with labels as you would have it on your disk, describes it in a task
file of ten lines, trains a segmentation network with a part of the labels after another, and draws the score against their number.
"""

# %%
# A volume of your own
# --------------------
#
# Two Zarr arrays, image and labels. Here they are cut out of the phantom; put your own files in their place, in
# any format that ``mtneuro-data`` opens.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from mtneuro_data import load, open_volume, read_task, save_volume
from mtneuro_seg import TrainSettings, confusion_matrix, predict, scores, segmentation_figure, train

folder = Path(tempfile.mkdtemp())
for name in ("image", "pixel_labels"):
    channel = open_volume(f"phantom://{name}")
    voxels = channel[200:248, 900:1028, 4600:4728]
    save_volume(
        folder / f"{name}.zarr", voxels, voxel_size_um=channel.voxel_size_um, labels=name == "pixel_labels"
    )

# %%
# A task says what is read, what the labels mean, and what is learnt from and tested on. Between training and testing lie some
# slices that belong to neither, since neighbouring slices are almost copies.

(folder / "mine.toml").write_text("""
name = "mine"
kind = "segmentation"
image = "image.zarr"
annotation = "pixel_labels.zarr"
label_map = { 0 = "background", 1 = "vessel", 2 = "cell", 3 = "background" }
cubes.block = { y = [0, 128], x = [0, 128] }
z_buffer = 8
splits.train = [{ z = [0, 32] }]
splits.test = [{ z = [40, 48] }]
""")
task = read_task(folder / "mine.toml")
test = load(task, "test")
print(task.counts(), test.class_names)

# %%
# Train with a part of the labels
# -------------------------------
#
# ``with_labels`` keeps a block of neighbouring slices at the start of each cube. Slices at random would leave most of the others a
# neighbour that is kept, and so make a few labels look like more than they are. Every network has as many steps, whatever it
# learns from.

settings = TrainSettings(model="unet", classes=3, filters=8, steps=120, batch_size=4, learning_rate=0.005)
found = {}
predictions = {}
for fraction in (0.03, 0.12, 0.5, 1.0):
    few = load(task.with_labels(fraction), "train")
    count = len(few)
    model = train(few.images, settings, masks=few.masks, out=folder / f"{count}", class_names=few.class_names)
    predictions[count] = predict(model, test.images)
    found[count] = scores(confusion_matrix(test.masks, predictions[count], classes=3))
    print(f"{count:2} slices: mean F1 {found[count].f1.mean():.2f}")

# %%
# The curve
# ---------
#
# Where it has become flat, more labels of this kind bring little; where it still rises, they do.

fig, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
for index, name in enumerate(test.class_names):
    axis.plot(list(found), [score.f1[index] for score in found.values()], marker="o", label=name)
axis.set(xlabel="labelled slices", ylabel="F1 on the test slices", xscale="log", ylim=(0, 1))
axis.set_xticks(list(found), [str(count) for count in found])
axis.legend()

# %%
# The same test slice by the network that saw the fewest labels, and by the one that saw them all:

few, all_of_them = min(predictions), max(predictions)
segmentation_figure(
    test.images[[0, 0]],
    test.masks[[0, 0]],
    np.stack([predictions[few][0], predictions[all_of_them][0]]),
    class_names=test.class_names,
    titles=[f"{few} labelled", f"{all_of_them} labelled"],
)

# %%
# The benchmark's own tables have this too: ``--set 'task2.labels=[0.01, 0.1, 1.0]'`` of the suite trains every network with parts of
# the labels, over seeds. For embeddings, ``label_curve`` of ``mtneuro-probe`` asks the same of a linear readout.
