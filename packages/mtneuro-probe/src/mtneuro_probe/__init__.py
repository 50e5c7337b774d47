"""What an embedding knows: semantic features of label volumes, linear readouts, and UMAP.

Three questions, each one call. ``semantic_features`` measures label images (vessel and axon density,
the number, size and spacing of cells); ``feature_readout`` and ``region_readout`` say how much of that,
and of the brain region, a linear model finds in anybody's embeddings; the figures show it. Rows are kept
together by their ``sample_id``, which names the cube, the slice and the corner an image was cut from.

Nothing heavy loads with this package: each name below brings its libraries when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtneuro_probe.blocks import block_splits
    from mtneuro_probe.cells import nearest_neighbour_distance
    from mtneuro_probe.embeddings import Embeddings, load_embeddings, matched, save_embeddings
    from mtneuro_probe.features import (
        ALL_FEATURES,
        FEATURE_UNITS,
        FEATURES,
        LABEL_VALUES,
        label_features,
        semantic_features,
    )
    from mtneuro_probe.figures import confusion_figure, r2_figure, umap_figure
    from mtneuro_probe.original import original_features
    from mtneuro_probe.projection import umap_embedding
    from mtneuro_probe.readout import LinearReadout, feature_readout
    from mtneuro_probe.regions import RegionScore, region_readout
    from mtneuro_probe.sample import Positions, sample_positions

_HOMES = {
    "blocks": ("block_splits",),
    "embeddings": ("Embeddings", "load_embeddings", "matched", "save_embeddings"),
    "cells": ("nearest_neighbour_distance",),
    "features": (
        "ALL_FEATURES",
        "FEATURES",
        "FEATURE_UNITS",
        "LABEL_VALUES",
        "label_features",
        "semantic_features",
    ),
    "original": ("original_features",),
    "figures": ("confusion_figure", "r2_figure", "umap_figure"),
    "projection": ("umap_embedding",),
    "readout": ("LinearReadout", "feature_readout"),
    "regions": ("RegionScore", "region_readout"),
    "sample": ("Positions", "sample_positions"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ALL_FEATURES",
    "FEATURES",
    "FEATURE_UNITS",
    "LABEL_VALUES",
    "Embeddings",
    "LinearReadout",
    "Positions",
    "RegionScore",
    "block_splits",
    "confusion_figure",
    "feature_readout",
    "label_features",
    "load_embeddings",
    "matched",
    "nearest_neighbour_distance",
    "original_features",
    "r2_figure",
    "region_readout",
    "sample_positions",
    "save_embeddings",
    "semantic_features",
    "umap_embedding",
    "umap_figure",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'mtneuro_probe' has no attribute {name!r}")
    value = getattr(import_module(f"mtneuro_probe.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
