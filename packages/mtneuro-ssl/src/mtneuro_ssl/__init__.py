"""Representations of image volumes: supervised, mixup, BYOL, MYOW, MYOW-m, PCA and NMF.

`train` turns a stack of images into a `Model` in a folder, `load_model` brings it back, and `embed` turns
images into embeddings. `TrainSettings` says how; its defaults are the paper's. Torch and Lightning load when
they are first needed.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from mtneuro_ssl.registry import encoder_names, method_names
from mtneuro_ssl.settings import TrainSettings

if TYPE_CHECKING:
    from mtneuro_ssl.dense import Grid, colour_picture, embedding_map, principal_colours
    from mtneuro_ssl.embedding import embed, save_embeddings
    from mtneuro_ssl.loading import load_encoder, load_model
    from mtneuro_ssl.model import Model, untrained
    from mtneuro_ssl.sheet import view_sheet
    from mtneuro_ssl.training import new_method, train
    from mtneuro_ssl.views import corner_crops

_LAZY = {
    "Grid": "dense",
    "Model": "model",
    "colour_picture": "dense",
    "corner_crops": "views",
    "embed": "embedding",
    "embedding_map": "dense",
    "load_encoder": "loading",
    "load_model": "loading",
    "new_method": "training",
    "principal_colours": "dense",
    "save_embeddings": "embedding",
    "train": "training",
    "untrained": "model",
    "view_sheet": "sheet",
}

__all__ = [
    "Grid",
    "Model",
    "TrainSettings",
    "colour_picture",
    "corner_crops",
    "embed",
    "embedding_map",
    "encoder_names",
    "load_encoder",
    "load_model",
    "method_names",
    "new_method",
    "principal_colours",
    "save_embeddings",
    "train",
    "untrained",
    "view_sheet",
]


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
