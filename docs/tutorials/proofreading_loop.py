"""
Proofreading: label less, where it matters
==========================================

A model suggests which boxes of a volume to annotate next and draws what it believes is there. A person corrects that, and the
model learns from it. This page goes once round the loop, with a person who is simulated: the phantom's true labels.
"""

# %%
# A model that has seen little
# ----------------------------
#
# Four small boxes with labels are all that there is at first.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from mtneuro_data import open_volume
from mtneuro_seg import (
    SuggestSettings,
    TrainSettings,
    confusion_matrix,
    finetune,
    overlay,
    predict,
    scores,
    suggest,
    train,
)

folder = Path(tempfile.mkdtemp())
names = ["background", "vessel", "cell"]
pool, held_out = (
    (slice(z, z + depth), slice(900, 1156), slice(4600, 4856)) for z, depth in ((200, 8), (260, 4))
)
brain = open_volume("phantom://image")[pool]
truth, test_truth = (
    np.where(mask == 3, 0, mask)
    for mask in (open_volume("phantom://pixel_labels")[box] for box in (pool, held_out))
)
test = open_volume("phantom://image")[held_out]

first = brain[0, :128, :128].reshape(2, 64, 2, 64).swapaxes(1, 2).reshape(4, 64, 64)
first_masks = truth[0, :128, :128].reshape(2, 64, 2, 64).swapaxes(1, 2).reshape(4, 64, 64)
settings = TrainSettings(model="unet", classes=3, filters=8, steps=80, batch_size=4, learning_rate=0.005)
model = train(first, settings, masks=first_masks, out=folder / "round0", class_names=names)


def mean_f1(model):
    """Return the mean F1 on slices that nobody annotates."""
    return scores(confusion_matrix(test_truth, predict(model, test), classes=3)).mean_f1


print(f"round 0: mean F1 {mean_f1(model):.2f}")

# %%
# What to annotate next
# ---------------------
#
# The volume is cut into boxes. Of those of which the model is least sure, the ones are taken that differ most from one another:
# neighbouring slices would teach the same twice. ``random`` is the floor that a strategy must beat; whether one does depends
# on the data, so measure it on yours.

wanted = SuggestSettings(strategy="uncertainty+diversity", boxes=6, size=(64, 64))
chosen = suggest(model, brain, out=folder / "suggested", settings=wanted, voxel_size_um=(1.17, 1.17, 1.17))
for suggestion in chosen:
    print(suggestion.box.name, round(suggestion.score, 3))

# %%
# Each box is a folder with the image and the model's labels to start from, for ITK-SNAP (``.nii.gz``) and for napari (``.ome.zarr``):

print(sorted(path.name for path in (folder / "suggested" / "boxes" / chosen[0].box.name).iterdir()))

# %%
# The person
# ----------
#
# opens a box, mends the labels, and saves them beside the model's under a name that begins with ``labels``. Ours writes the truth.

for suggestion in chosen:
    box = suggestion.box
    inside = tuple(slice(*edges) for edges in zip(box.lower, box.upper, strict=True))
    np.save(folder / "suggested" / "boxes" / box.name / "labels-corrected.npy", truth[inside])

# %%
# A box: the image, what the model suggested, and what the person made of it.

box = chosen[0].box
(z, y, x), (_, y1, x1) = box.lower, box.upper
image = brain[z, y:y1, x:x1]
before = predict(model, image[None])[0]
fig, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
axes[0].imshow(image, cmap="gray")
axes[1].imshow(overlay(image, before, class_names=names))
axes[2].imshow(overlay(image, truth[z, y:y1, x:x1], class_names=names))
for axis, title in zip(axes, ("image", "suggested", "corrected"), strict=True):
    axis.set(title=title, xticks=[], yticks=[])

# %%
# Learn from it
# -------------
#
# ``finetune`` starts from the model's weights, with a tenth of its learning rate unless told otherwise. Give it the folders of all
# rounds, so that nothing is forgotten.

better = finetune(
    model, [folder / "suggested"], out=folder / "round1", changes={"steps": 80, "learning_rate": 0.002}
)
print(f"round 1: mean F1 {mean_f1(better):.2f}")

# %%
# On the command line:
#
# .. code-block:: bash
#
#    mtneuro-seg suggest round0 brain.zarr -o suggested --boxes 6 --size 64 64
#    mtneuro-seg finetune round0 suggested -o round1
