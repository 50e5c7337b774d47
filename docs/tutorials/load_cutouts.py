"""
Load cutouts without torch
==========================

Read boxes of voxels from a volume of any kind, and a whole task of the benchmark, as plain NumPy arrays. All this needs is
``pip install mtneuro-data``: no torch, no account.
"""

# %%
# A volume is named by a URI
# --------------------------
#
# The same function opens a database channel (``bossdb://prasad/prasad2020/image``), an OME-Zarr, a TIFF stack, a NIfTI file,
# or, as here, the phantom. Nothing is read yet.

import matplotlib.pyplot as plt
import numpy as np
from mtneuro_data import builtin_task, load, open_volume

image = open_volume("phantom://image")
labels = open_volume("phantom://pixel_labels")
print(image.shape, image.dtype, "voxels of", image.voxel_size_um, "µm")

# %%
# Indexing reads. Axes are always z, y, x, and boxes half-open. The labels are a volume of their own, aligned with the image:
# 0 is background, 1 vessel, 2 cell and 3 axon.

box = np.s_[200:201, 900:1156, 4600:4856]
fig, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
axes[0].imshow(image[box][0], cmap="gray")
axes[1].imshow(labels[box][0], cmap="viridis", interpolation="nearest")
for axis, title in zip(axes, ("image", "labels"), strict=True):
    axis.set(title=title, xticks=[], yticks=[])

# %%
# A box that leaves the volume is an error, and never silently smaller than what you asked for.

try:
    image[0:1, 0:64, 5800:5864]
except (IndexError, ValueError) as error:
    print(error)

# %%
# Many boxes at once
# ------------------
#
# ``read_boxes`` reads them in parallel, which matters most where each is a request over the network.

corners = [((z, 900, 4600), (z + 1, 964, 4664)) for z in range(200, 208)]
stack = np.concatenate(list(image.read_boxes(corners)))
print(stack.shape, stack.dtype)

# %%
# A whole task
# ------------
#
# A task says which boxes are for training, validation and testing, and what their labels mean. The benchmark's own are
# built in; ``with_source`` puts the phantom in place of the database. Every second row and column and every thirtieth slice will do here.

task = builtin_task("seg-2d-3class").with_source("phantom").replaced(downsample=2, z_step=30)
print(task.counts())
arrays = load(task, "train")
print(arrays.images.shape, arrays.masks.shape, arrays.class_names)
print(arrays.sample_id[:3])

# %%
# The four brain regions, a slice each, with the share of each class in the training images:

fig, axes = plt.subplots(1, 4, figsize=(10, 2.8), layout="constrained")
for axis, region in zip(axes, np.unique(arrays.region), strict=True):
    axis.imshow(arrays.images[np.flatnonzero(arrays.region == region)[0]], cmap="gray")
    axis.set(title=arrays.region_names[region], xticks=[], yticks=[])

for value, name in enumerate(arrays.class_names):
    print(f"{name:12} {(arrays.masks == value).mean():.3f}")

# %%
# Keep them
# ---------
#
# ``arrays.save("train.npz")`` writes plain arrays that every other package here reads, and that ``numpy.load`` does. In PyTorch,
# ``SliceDataset(arrays, target="mask")`` can be given to a ``DataLoader``. What comes from a database is kept in a cache on your disk:
# ``load(task, "train", cache=Cache())``, so that it is downloaded once.
#
# On the command line the same is
#
# .. code-block:: bash
#
#    mtneuro-data export seg-2d-3class --source phantom --split train -o train.npz
