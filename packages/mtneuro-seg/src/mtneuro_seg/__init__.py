"""Segmentation of microstructure in image volumes: the 2D and 3D networks of the MTNeuro benchmark.

Images in, labels out: `train` makes a `Model` from images and masks, `predict` labels other images with
it, `confusion_matrix` and `scores` say how well. Everything that crosses is a NumPy array; torch and the
libraries of networks are loaded when something of theirs is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from mtneuro_seg.metrics import Scores, confusion_matrix, scores, scores_per_image
from mtneuro_seg.networks import Network, SizeRule, model_names, network, register
from mtneuro_seg.settings import TrainSettings, paper_settings

if TYPE_CHECKING:
    from mtneuro_seg.figures import learning_curves_figure, segmentation_figure
    from mtneuro_seg.inference import predict
    from mtneuro_seg.library import encoder_names
    from mtneuro_seg.model import Model, build_network, load_history, load_model
    from mtneuro_seg.training import train
    from mtneuro_seg.unet import PlainUNet
    from mtneuro_seg.vnetlight import VNetLight

_LAZY = {
    "Model": "model",
    "PlainUNet": "unet",
    "VNetLight": "vnetlight",
    "build_network": "model",
    "encoder_names": "library",
    "learning_curves_figure": "figures",
    "load_history": "model",
    "load_model": "model",
    "predict": "inference",
    "segmentation_figure": "figures",
    "train": "training",
}

__all__ = [
    "Model",
    "Network",
    "PlainUNet",
    "Scores",
    "SizeRule",
    "TrainSettings",
    "VNetLight",
    "build_network",
    "confusion_matrix",
    "encoder_names",
    "learning_curves_figure",
    "load_history",
    "load_model",
    "model_names",
    "network",
    "paper_settings",
    "predict",
    "register",
    "scores",
    "scores_per_image",
    "segmentation_figure",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
