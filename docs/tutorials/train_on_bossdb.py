"""
Train without labels on a dataset of BossDB
===========================================

Public volumes of brain tissue lie in BossDB under names of three parts, collection, experiment and channel. This page opens such
a name, learns an encoder from its images by BYOL, and looks at what was learnt.

So that it runs without a network, the database is a stand-in: this machine serves the phantom under the made-up name
``lab/scan/em``, over the same protocol. For a real dataset leave the server out and take its name, such as
``bossdb://prasad/prasad2020/image``.
"""

# %%
# A database of one's own
# -----------------------
#
# ``mtneuro-data serve`` does this on the command line. Any volume can be served; here it is another animal of the phantom than
# that of the benchmark.

import tempfile
from contextlib import ExitStack
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from mtneuro_data import Cache, open_volume
from mtneuro_data.serving import Catalogue, VolumeServer
from mtneuro_ssl import TrainSettings, embed, train, view_sheet
from sklearn.decomposition import PCA

folder = Path(tempfile.mkdtemp())
server = VolumeServer(Catalogue({"lab/scan/em": open_volume("phantom://image?seed=7")}))
at_hand = ExitStack()  # in a script of your own: with VolumeServer(...) as server:
at_hand.enter_context(server)

# %%
# Open the channel and read from it. The cache keeps what was downloaded, so that a second run asks nobody.

channel = open_volume("bossdb://lab/scan/em", server=server.address, cache=Cache(folder / "cache"))
print(channel.shape, channel.dtype, channel.voxel_size_um)
voxels = channel[200:232, 500:1012, 3700:4212]

# %%
# Images to learn from: tiles of 64 x 64 voxels of every second slice. No label is needed.

tiles = voxels[::2].reshape(16, 8, 64, 8, 64).swapaxes(2, 3).reshape(-1, 64, 64)
print(tiles.shape, tiles.dtype)

# %%
# What the method sees
# --------------------
#
# BYOL learns to give two views of one image the same embedding. Before a long training it pays to look at the views: if you
# cannot tell that they belong together, neither can the encoder. A row is an image and two views of it.

settings = TrainSettings(
    method="byol",
    encoder="timm/resnet10t",
    steps=40,
    batch_size=32,
    latent_dim=64,
    hidden=256,
    projection=64,
    views={"flip": 0.5, "rotate": True},
)
fig, axis = plt.subplots(figsize=(4, 6), layout="constrained")
axis.imshow(view_sheet(tiles, settings, samples=5), cmap="gray")
axis.set_axis_off()

# %%
# Train
# -----
#
# The folder keeps checkpoints: the same call after an interruption goes on from the last one. 40 steps of a light network are
# enough to see a loss fall; leave ``steps`` out for the paper's 100 epochs.

model = train(tiles, settings, out=folder / "byol")
history = np.genfromtxt(folder / "byol" / "history.csv", delimiter=",", names=True)
fig, axis = plt.subplots(figsize=(6, 2.6), layout="constrained")
axis.plot(history["step"], history["loss"])
axis.set(xlabel="step", ylabel="loss")

# %%
# Look at the embeddings
# ----------------------
#
# One vector a tile. Tiles whose embeddings are near should look alike: each row below is a tile, and the five that are nearest
# to it by cosine, from other slices.

embeddings = embed(model, tiles)
unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
unit -= unit.mean(axis=0)
unit /= np.linalg.norm(unit, axis=1, keepdims=True)
slice_of = np.arange(len(tiles)) // 64
fig, axes = plt.subplots(3, 6, figsize=(8, 4.2), layout="constrained")
for row, query in zip(axes, (70, 400, 800), strict=True):
    likeness = np.where(slice_of == slice_of[query], -np.inf, unit @ unit[query])
    for axis, tile in zip(row, [query, *np.argsort(-likeness)[:5]], strict=True):
        axis.imshow(tiles[tile], cmap="gray")
        axis.set(xticks=[], yticks=[])
axes[0, 0].set_title("tile")
axes[0, 1].set_title("nearest")

# %%
# The first three principal components of all embeddings, as colours, over the slice that they come from:

colours = PCA(3).fit_transform(embeddings)
colours = (colours.argsort(axis=0).argsort(axis=0) / len(colours))[:64].reshape(8, 8, 3)
fig, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
axes[0].imshow(voxels[0], cmap="gray")
axes[1].imshow(colours, interpolation="nearest")
for axis, title in zip(axes, ("slice", "embeddings of its tiles"), strict=True):
    axis.set(title=title, xticks=[], yticks=[])

at_hand.close()

# %%
# The same on the command line, for a dataset that is public:
#
# .. code-block:: bash
#
#    mtneuro-ssl train bossdb://collection/experiment/channel --z 0:64 --method byol -o byol
#    mtneuro-ssl embed byol bossdb://collection/experiment/channel --z 64:96 -o embeddings.npz
