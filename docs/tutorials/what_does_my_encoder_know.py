"""
What does my encoder know?
==========================

An embedding may tell brain regions apart and know nothing of cells, or the other way round. This page asks three embeddings of the same
images what they hold: of an encoder with random weights, of the same encoder trained by BYOL, and of PCA. All
stay frozen, and a linear model reads them. ``mtneuro-probe`` takes anybody's vectors: put yours beside them.
"""

# %%
# Images, and what an expert would count in them
# ----------------------------------------------
#
# Slices of four brain regions with the label of each pixel. From the labels come the features: how much vessel and axon, how many
# cells, how large and how far apart.

import tempfile
from pathlib import Path

from mtneuro_data import builtin_task, load
from mtneuro_probe import (
    feature_readout,
    floor_embeddings,
    r2_figure,
    region_cross_validation,
    semantic_features,
    umap_embedding,
    umap_figure,
)
from mtneuro_ssl import TrainSettings, embed, train

folder = Path(tempfile.mkdtemp())
task = builtin_task("semantics").with_source("phantom").replaced(downsample=4, z_step=6)
arrays = load(task, "all")
features = semantic_features(arrays.masks, sample_id=arrays.sample_id, voxel_size_um=arrays.voxel_size_um)
print(arrays.images.shape)
features.describe().round(2)

# %%
# Three embeddings
# ----------------
#
# BYOL trains for so few steps here that it learns little. That is the point of the untrained encoder beside it: what
# an architecture gives for nothing must be taken off before anything is said of a training.

common = {"encoder": "timm/resnet10t", "latent_dim": 16}
embeddings = {}
for method, more in {
    "untrained": {},
    "byol": {"steps": 30, "batch_size": 32, "hidden": 128, "projection": 32},
    "pca": {"components": 16},
}.items():
    chosen = more if method == "pca" else common | more
    model = train(arrays.images, TrainSettings(method=method, **chosen), out=folder / method)
    embeddings[method] = embed(model, arrays.images)
    print(method, embeddings[method].shape)

# %%
# How much can be read off
# ------------------------
#
# Neighbouring slices are almost copies, so a random split would test on what it has seen. Here whole blocks of slices are held out,
# with a gap before them. 1 is perfect, 0 no better than the mean, and below 0 worse. The floors are what simple
# statistics of the pixels reach without any encoder.

floors = floor_embeddings(arrays.images)
tables = {
    name: feature_readout(vectors, features, gap=10, floors=floors) for name, vectors in embeddings.items()
}
for name, table in tables.items():
    print(name)
    print(table[["r2_same_sample", "r2_cross_validated", "r2_low", "r2_high"]].round(2))

# %%
# ``r2_same_sample`` is the paper's score, fitted and scored on the same images: it rises with the number of dimensions whatever they
# hold. The bars beside it are cross-validated, with an interval over the tissue; a mark is a floor.

r2_figure(tables["byol"], title="BYOL, 30 steps")

# %%
# Does it know the region?
# ------------------------
#
# The same question of brain regions, over the same kind of blocks:

for name, vectors in embeddings.items():
    score = region_cross_validation(vectors, arrays.region, sample_id=arrays.sample_id, gap=10)
    print(f"{name:10} {score.accuracy:.2f}")

# %%
# A picture, not a score
# ----------------------
#
# UMAP lays the embeddings out in the plane: by region, and by each feature.

points = umap_embedding(embeddings["byol"], n_neighbors=30)
umap_figure(points, region=arrays.region, region_names=arrays.region_names, features=features.iloc[:, :3])
