"""Read settings from a file: TOML or JSON with our own keys, or a network file of the original benchmark."""

import os
from collections.abc import Collection, Mapping
from typing import Any

from mtneuro_seg._shared.factories import check_trusted
from mtneuro_seg._shared.settings import read_values
from mtneuro_seg._shared.words import one_line, unknown_name
from mtneuro_seg.registry import network
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
    "mzp_VNetLight_3D": "vnetlight",
    "mzp_HighResNet_3D": "highresnet3d",
}
"""The original's names of networks."""

_ACTIVATIONS = {"relu": "relu", "leaky": "leaky_relu", "elu": "elu", "prelu": "prelu"}
"""The original's names of activations."""

_UPSAMPLING = {
    "transposed": "transposed",
    "nearest": "nearest",
    "linear": "linear",
    "bilinear": "linear",
    "trilinear": "linear",
}
"""The original's names of ways to double an image."""

_BUILT: dict[str, tuple[object, ...]] = {
    "activation": tuple(_ACTIVATIONS),
    "up_mode": tuple(_UPSAMPLING),
    "in_channels": (1,),
    "task_type": ("supervised",),
    "dim": (2, 3),
    "augmentations": (0, 1),
    "optimizer": ("Adam", "SGD"),
}
"""Keys of the original of which only some values are supported here."""

_RENAMED = {
    "seed": "seed",
    "learning_rate": "learning_rate",
    "epochs": "epochs",
    "batch_size": "batch_size",
    "classes": "classes",
    "n_blocks": "levels",
    "start_filters": "filters",
}

_OF_ITS_CODE: dict[str, Any] = {"momentum": 0.0, "mean": 0.0, "sd": 1.0}
"""What the original's code does by itself and no key says: SGD without momentum, images from 0 to 1."""

_IGNORED = {"outputdir", "outweightfilename", "eval_threshold", "eval_reduction"}
"""Keys that say where the original writes and how it prints scores: no part of a training."""

_OWN_KEYS = {
    "model", "encoder_name", "encoder_weights", "beta1", "beta2", "normalization", "conv_mode", "elu",
}  # fmt: skip
_ORIGINAL = {*_BUILT, *_RENAMED, *_IGNORED, *_OWN_KEYS}
_ONLY_ORIGINAL = _ORIGINAL - set(TrainSettings.model_fields)


def load_settings(
    path: str | os.PathLike[str], *, trusted: Collection[str] = (), **changes: Any
) -> TrainSettings:
    """Return the settings of a file.

    Parameters
    ----------
    path
        A ``.toml`` or ``.json`` whose keys are those of `TrainSettings`, or a network file of the original
        benchmark, read as it is.
    trusted
        Networks of the user's own, as ``package.module:factory``, that the file may name.
    **changes
        Settings that override the file's.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be parsed, has an unknown key (the nearest is named) or a value that is not supported, or
        its network is not trusted.

    Notes
    -----
    Of the original's keys, ``outputdir``, ``outweightfilename``, ``eval_threshold`` and ``eval_reduction``
    are ignored. Its ``UNet`` is the plain one whatever encoder stands beside it, as in its code; the other
    networks do not read the keys of the plain one's layers.
    """
    values = settings_values(path) | changes
    try:
        settings = TrainSettings.model_validate(values)
    except ValueError as error:
        raise ValueError(f"{path}: {one_line(error)}") from error
    if "model" not in changes:
        check_trusted(settings.model, trusted, where=path)
    return settings


def settings_values(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the values of a settings file under our keys, not yet checked; it raises as `load_settings`."""
    found = read_values(path)
    if not (_ONLY_ORIGINAL & set(found) or found.get("model") in _MODELS):
        return found
    try:
        return from_original(found)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def from_original(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return our settings for the keys of an original network file, and for what its code adds to them.

    Raises
    ------
    ValueError
        If a key is unknown, or a value is not supported; the message says which are.

    Examples
    --------
    >>> from_original({"model": "smp_MAnet", "optimizer": "Adam", "augmentations": 1})
    {'model': 'manet', 'momentum': 0.0, 'mean': 0.0, 'sd': 1.0, 'optimiser': 'adam', 'augment': True}
    """
    for key in found:
        if key not in _ORIGINAL:
            raise ValueError(unknown_name("a key", key, sorted(_ORIGINAL)))
    for key, allowed in _BUILT.items():
        if key in found and found[key] not in allowed:
            raise ValueError(f"{key} must be {' or '.join(map(repr, allowed))} here, got {found[key]!r}")
    own = _OF_ITS_CODE | {ours: found[theirs] for theirs, ours in _RENAMED.items() if theirs in found}
    if "model" in found:
        own = {"model": _model(found)} | own
        own |= _layers(found, own["model"])
    if "optimizer" in found:
        own["optimiser"] = str(found["optimizer"]).lower()
    if "augmentations" in found:
        own["augment"] = bool(found["augmentations"])
    if "beta1" in found or "beta2" in found:
        own["betas"] = (found.get("beta1", 0.9), found.get("beta2", 0.999))
    return own


def _layers(found: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return what the keys of the layers say for the network that reads them; the others do not."""
    if model in {"unet", "unet3d"}:
        renamed = {"normalization": "norm", "conv_mode": "padding"}
        layers = {ours: found[theirs] for theirs, ours in renamed.items() if theirs in found}
        if "activation" in found:
            layers["activation"] = _ACTIVATIONS[found["activation"]]
        if "up_mode" in found:
            layers["upsampling"] = _UPSAMPLING[found["up_mode"]]
        return layers
    if model == "vnetlight":
        return {"activation": "elu" if found.get("elu", False) else "prelu"}
    if model == "highresnet3d":
        return {}
    return {key: found[key] for key in ("encoder_name", "encoder_weights") if key in found}


def _model(found: Mapping[str, Any]) -> str:
    name = found["model"]
    if name in {"ResNet-18", "ResNet-50"}:
        raise ValueError(
            f"model {name!r} classifies images: it belongs to mtneuro-ssl; here are {', '.join(_MODELS)}"
        )
    if name not in _MODELS:
        raise ValueError(unknown_name("model", str(name), _MODELS))
    ours = "unet3d" if name == "UNet" and found.get("dim") == 3 else _MODELS[name]
    if "dim" in found and found["dim"] != network(ours).axes:
        raise ValueError(f"dim must be {network(ours).axes} for {name!r}, got {found['dim']}")
    return ours
