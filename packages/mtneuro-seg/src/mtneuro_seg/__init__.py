"""Segmentation of microstructure in image volumes: the 2D and 3D networks of the MTNeuro benchmark.

Images in, labels out: `train` makes a `Model` from images and masks, `predict` labels other images with
it, `confusion_matrix` and `scores` say how well. Everything that crosses is a NumPy array; torch and the
libraries of networks are loaded when something of theirs is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from mtneuro_seg.intervals import ScoreIntervals, bootstrap_intervals, confusion_per_image
from mtneuro_seg.metrics import Scores, confusion_matrix, scores, scores_per_image
from mtneuro_seg.networks import Network, SizeRule, model_names, network, register
from mtneuro_seg.paper import paper_search, paper_settings
from mtneuro_seg.selection import best_run
from mtneuro_seg.settings import TrainSettings
from mtneuro_seg.settings_file import load_settings
from mtneuro_seg.subvolumes import subvolumes
from mtneuro_seg.sweep_settings import SweepSettings

if TYPE_CHECKING:
    from mtneuro_seg.figures import learning_curves_figure, segmentation_figure
    from mtneuro_seg.inference import predict
    from mtneuro_seg.library import encoder_names
    from mtneuro_seg.model import Model, build_network, load_history, load_model
    from mtneuro_seg.surfaces import surface_figure
    from mtneuro_seg.training import train
    from mtneuro_seg.unet import PlainUNet
    from mtneuro_seg.vnetlight import VNetLight
    from mtneuro_seg.whole_volume import predict_volume, swept_labels

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
    "predict_volume": "whole_volume",
    "segmentation_figure": "figures",
    "surface_figure": "surfaces",
    "swept_labels": "whole_volume",
    "train": "training",
}

__all__ = [
    "Model",
    "Network",
    "PlainUNet",
    "ScoreIntervals",
    "Scores",
    "SizeRule",
    "SweepSettings",
    "TrainSettings",
    "VNetLight",
    "best_run",
    "bootstrap_intervals",
    "build_network",
    "confusion_matrix",
    "confusion_per_image",
    "encoder_names",
    "learning_curves_figure",
    "load_history",
    "load_model",
    "load_settings",
    "model_names",
    "network",
    "paper_search",
    "paper_settings",
    "predict",
    "predict_volume",
    "register",
    "scores",
    "scores_per_image",
    "segmentation_figure",
    "subvolumes",
    "surface_figure",
    "swept_labels",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
