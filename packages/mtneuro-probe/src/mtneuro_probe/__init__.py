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
    from mtneuro_probe.baselines import floor_embeddings, pixel_statistics, random_projection
    from mtneuro_probe.blocks import block_splits
    from mtneuro_probe.ceiling import label_ceiling
    from mtneuro_probe.cells import nearest_neighbour_distance
    from mtneuro_probe.embeddings import Embeddings, load_embeddings, matched, save_embeddings
    from mtneuro_probe.features import label_features, semantic_features
    from mtneuro_probe.figures import confusion_figure, umap_figure
    from mtneuro_probe.image_figures import confidence_figure, map_figure
    from mtneuro_probe.linear import LinearReadout
    from mtneuro_probe.maps import feature_map, fitted_readout, write_feature_map
    from mtneuro_probe.original import original_features
    from mtneuro_probe.projection import umap_embedding
    from mtneuro_probe.readout import feature_predictions, feature_readout
    from mtneuro_probe.readout_figures import r2_figure, scatter_figure
    from mtneuro_probe.regions import RegionScore, region_cross_validation, region_readout
    from mtneuro_probe.registry import ALL_FEATURES, FEATURE_UNITS, FEATURES, LABEL_VALUES
    from mtneuro_probe.sample import Positions, sample_positions
    from mtneuro_probe.similarity import (
        Closeness,
        aligned,
        closeness,
        linear_cka,
        representation_similarity,
        rsa,
    )

_HOMES = {
    "baselines": ("floor_embeddings", "pixel_statistics", "random_projection"),
    "blocks": ("block_splits",),
    "embeddings": ("Embeddings", "load_embeddings", "matched", "save_embeddings"),
    "ceiling": ("label_ceiling",),
    "cells": ("nearest_neighbour_distance",),
    "features": (
        "ALL_FEATURES",
        "FEATURES",
        "FEATURE_UNITS",
        "LABEL_VALUES",
        "label_features",
        "semantic_features",
    ),
    "maps": ("feature_map", "fitted_readout", "write_feature_map"),
    "original": ("original_features",),
    "figures": ("confusion_figure", "umap_figure"),
    "image_figures": ("confidence_figure", "map_figure"),
    "linear": ("LinearReadout",),
    "projection": ("umap_embedding",),
    "readout": ("feature_predictions", "feature_readout"),
    "readout_figures": ("r2_figure", "scatter_figure"),
    "regions": ("RegionScore", "region_cross_validation", "region_readout"),
    "registry": ("ALL_FEATURES", "FEATURES", "FEATURE_UNITS", "LABEL_VALUES"),
    "sample": ("Positions", "sample_positions"),
    "similarity": (
        "Closeness",
        "aligned",
        "closeness",
        "linear_cka",
        "representation_similarity",
        "rsa",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ALL_FEATURES",
    "FEATURES",
    "FEATURE_UNITS",
    "LABEL_VALUES",
    "Closeness",
    "Embeddings",
    "LinearReadout",
    "Positions",
    "RegionScore",
    "aligned",
    "block_splits",
    "closeness",
    "confidence_figure",
    "confusion_figure",
    "feature_map",
    "feature_predictions",
    "feature_readout",
    "fitted_readout",
    "floor_embeddings",
    "label_ceiling",
    "label_features",
    "linear_cka",
    "load_embeddings",
    "map_figure",
    "matched",
    "nearest_neighbour_distance",
    "original_features",
    "pixel_statistics",
    "r2_figure",
    "random_projection",
    "region_cross_validation",
    "region_readout",
    "representation_similarity",
    "rsa",
    "sample_positions",
    "save_embeddings",
    "scatter_figure",
    "semantic_features",
    "umap_embedding",
    "umap_figure",
    "write_feature_map",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'mtneuro_probe' has no attribute {name!r}")
    value = getattr(import_module(f"mtneuro_probe.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
