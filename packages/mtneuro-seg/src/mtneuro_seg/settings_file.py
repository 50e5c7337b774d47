"""Settings from a file: TOML or JSON of our own keys, or the original benchmark's network JSON, unchanged."""

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mtneuro_seg.networks import nearest
from mtneuro_seg.settings import TrainSettings

_MODELS = {
    "UNet": "unet",
    "smp_UnetPlusPlus": "unetplusplus",
    "smp_MAnet": "manet",
    "smp_PAN": "pan",
    "smp_Linknet": "linknet",
    "smp_FPN": "fpn",
    "smp_PSPNet": "pspnet",
    "smp_DeepLabV3Plus": "deeplabv3plus",
}
"""The original's names of networks."""

_BUILT: dict[str, tuple[object, ...]] = {
    "activation": ("relu",),
    "normalization": ("batch",),
    "conv_mode": ("same",),
    "in_channels": (1,),
    "task_type": ("supervised",),
    "dim": (2, 3),
    "augmentations": (0, 1),
    "optimizer": ("Adam", "SGD"),
}
"""Keys of the original of which we build some values only."""

_RENAMED = {
    "seed": "seed",
    "learning_rate": "learning_rate",
    "epochs": "epochs",
    "batch_size": "batch_size",
    "classes": "classes",
    "n_blocks": "levels",
    "start_filters": "filters",
}

_WITHOUT_BEARING = {"outputdir", "outweightfilename", "eval_threshold", "eval_reduction"}
"""Where the original writes and how it prints scores; no part of a training."""

_OWN_KEYS = {"model", "encoder_name", "encoder_weights", "beta1", "beta2"}
_ORIGINAL = {*_BUILT, *_RENAMED, *_WITHOUT_BEARING, *_OWN_KEYS}
_ONLY_ORIGINAL = _ORIGINAL - set(TrainSettings.model_fields)


def load_settings(path: str | os.PathLike[str], **changes: Any) -> TrainSettings:
    """Return the settings of a file.

    Parameters
    ----------
    path
        A ``.toml`` or ``.json`` whose keys are those of `TrainSettings`, or a network file of the original
        benchmark, read as it is.
    **changes
        Settings that go before the file's.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be parsed, has an unknown key (the nearest are named), or a value that is not built.

    Notes
    -----
    Of the original's keys, ``outputdir``, ``outweightfilename``, ``eval_threshold`` and ``eval_reduction``
    have no bearing here. Its ``UNet`` is the plain one whatever encoder stands beside it, as in its code.
    """
    source = Path(path)
    if source.suffix not in _PARSERS:
        raise ValueError(f"settings must be a .toml or .json file, got {str(source)!r}")
    if not source.is_file():
        raise FileNotFoundError(f"the settings file must exist, got {str(source)!r}")
    try:
        found = _PARSERS[source.suffix](source.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{str(source)!r} is no {source.suffix[1:].upper()}: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{str(source)!r} must hold keys and values, got a {type(found).__name__}")
    try:
        own = from_original(found) if _ONLY_ORIGINAL & set(found) or found.get("model") in _MODELS else found
        _check_keys(own, set(TrainSettings.model_fields))
        return TrainSettings(**{**own, **changes})
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise ValueError(f"{str(source)!r}: {where}: {fault['msg'].removeprefix('Value error, ')}") from error
    except ValueError as error:
        raise ValueError(f"{str(source)!r}: {error}") from error


_PARSERS: dict[str, Callable[[str], Any]] = {".toml": tomllib.loads, ".json": json.loads}


def from_original(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return our settings for the keys of an original network file.

    Raises
    ------
    ValueError
        If a key is unknown, or a value is not built; the message says what is.

    Examples
    --------
    >>> from_original({"model": "smp_MAnet", "optimizer": "Adam", "augmentations": 1})
    {'model': 'manet', 'optimiser': 'adam', 'augment': True}
    """
    _check_keys(found, _ORIGINAL)
    for key, allowed in _BUILT.items():
        if key in found and found[key] not in allowed:
            raise ValueError(f"{key} must be {' or '.join(map(repr, allowed))} here, got {found[key]!r}")
    own = {ours: found[theirs] for theirs, ours in _RENAMED.items() if theirs in found}
    if "model" in found:
        own = {"model": _model(found)} | own
        if own["model"] not in {"unet", "unet3d"}:
            own |= {key: found[key] for key in ("encoder_name", "encoder_weights") if key in found}
    if "optimizer" in found:
        own["optimiser"] = str(found["optimizer"]).lower()
    if "augmentations" in found:
        own["augment"] = bool(found["augmentations"])
    if "beta1" in found or "beta2" in found:
        own["betas"] = (found.get("beta1", 0.9), found.get("beta2", 0.999))
    return own


def _model(found: Mapping[str, Any]) -> str:
    name = found["model"]
    if name in {"ResNet-18", "ResNet-50"}:
        raise ValueError(
            f"model {name!r} classifies images: it belongs to mtneuro-ssl; here are {', '.join(_MODELS)}"
        )
    if name not in _MODELS:
        raise ValueError(f"unknown model {name!r}: {nearest(str(name), _MODELS)}")
    if found.get("dim") == 3:
        if name != "UNet":
            raise ValueError(f"dim must be 2 for {name!r}, got 3")
        return "unet3d"
    return _MODELS[name]


def _check_keys(found: Mapping[str, Any], known: set[str]) -> None:
    for key in found:
        if key not in known:
            raise ValueError(f"unknown key {key!r}: {nearest(key, sorted(known))}")
