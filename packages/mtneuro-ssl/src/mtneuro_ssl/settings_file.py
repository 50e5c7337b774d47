"""Read settings files: our own keys in TOML or JSON, and the original benchmark's network files.

Each key of a network file is translated, or refused where it asks for something that is not built, or named
in a warning where it no longer has an effect. A key that the original does not have is an error.
"""

import logging
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from mtneuro_ssl._shared.settings import read_values
from mtneuro_ssl._shared.words import unknown_name

log = logging.getLogger(__name__)

_METHODS = {"byol": "byol", "myow": "myow", "myowmerged": "myow-m"}
_ENCODERS = {"ResNet-18": "resnet18", "ResNet-50": "resnet50"}

_RENAMED = {
    "seed": "seed",
    "batch_size": "batch_size",
    "weight_decay": "weight_decay",
    "projector_hidden_size": "hidden",
    "projector_output_size": "projection",
    "ssl_epochs": "epochs",
    "base_learning_rate": "learning_rate",
    "base_momentum": "target_momentum",
    "opt_momentum": "momentum",
    "myow_base_weight": "mined_weight",
    "knn_nneighs": "mined_neighbours",
}
"""Keys with another name here."""

_ONLY: dict[str, tuple[object, ...]] = {
    "ssl_optimizer": ("SGD",),
    "lr_decay": ("cosine",),
    "mm_decay": ("cosine",),
    "trans_prob": (1,),
    "myow_layout": ("cascaded",),
    "byol_warmup_epochs": (0,),
    "miner": ("knn",),
    "miner_candidate_repr": ("target",),
    "miner_distance": ("cosine",),
    "knn_select": ("random",),
    "in_channels": (1,),
    "encoder_weights": (None, ""),
}
"""Keys of which only some values are built."""

_MEANINGLESS = {
    "outputdir": "the call names the folder",
    "outweightfilename": "the call names the folder",
    "lr_poly_decay_n": "the schedule is a cosine",
    "lr_gamma": "the schedule is a cosine",
    "lr_milestone": "the schedule is a cosine",
    "beta1": "Adam is not used",
    "beta2": "Adam is not used",
    "classes": "the labels tell",
    "encoder_name": "model names the encoder",
}
"""Keys without effect, and why."""

_OF_THE_READOUT = ("optimizer", "learning_rate", "epochs")
"""Keys of the linear stage in a self-supervised file, and of training in a supervised one."""

KEYS = (
    *_RENAMED, *_ONLY, *_MEANINGLESS, *_OF_THE_READOUT, "task_type", "method", "model", "augmentations",
    "transform", "lr_warmup_epochs", "myow_rampup_epochs", "projector_2_hidden_size",
    "projector_2_output_size",
)  # fmt: skip


def file_values(path: Path | str, *, known: Container[str]) -> dict[str, Any]:
    """Return the values of a settings file under our own keys, not yet checked.

    A file with a key that only the original benchmark has is one of its network files.

    Parameters
    ----------
    path
        A ``.toml`` or ``.json`` file.
    known
        Our own keys.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not TOML or JSON, or a network file asks for what is not built.
    """
    values = read_values(path)
    original = any(key in KEYS and key not in known for key in values)
    return translated(values) if original else values


def translated(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a file of the original benchmark stands for.

    Raises
    ------
    ValueError
        If a key is unknown, or a value is not built; the message says what is there instead.

    Examples
    --------
    >>> translated({"method": "myowmerged", "model": "ResNet-18", "ssl_epochs": 800})
    {'method': 'myow-m', 'encoder': 'resnet18', 'epochs': 800}
    """
    for key in values:
        if key not in KEYS:
            raise ValueError(unknown_name("a key", key, KEYS))
    given = dict(values)
    task = given.pop("task_type", "SSL" if "method" in given else "supervised")
    if task not in ("SSL", "supervised"):
        raise ValueError(f"task_type must be 'SSL' or 'supervised', got {task!r}")
    settings: dict[str, Any] = {}
    if task == "SSL":
        settings["method"] = _one_of("method", given.pop("method", "byol"), _METHODS)
    else:
        settings["method"] = "supervised"
    if "model" in given:
        settings["encoder"] = _one_of("model", given.pop("model"), _ENCODERS)
    if task == "SSL":
        for key in _OF_THE_READOUT:
            if given.pop(key, None) is not None:
                log.warning("%s is of the linear stage, not of self-supervised training: ignored", key)
    else:
        _require("optimizer", given.pop("optimizer", "SGD"), ("SGD",))
        settings |= {key: given.pop(key) for key in ("learning_rate", "epochs") if key in given}
    for key, allowed in _ONLY.items():
        if key in given:
            _require(key, given.pop(key), allowed)
    for key, reason in _MEANINGLESS.items():
        if key in given:
            del given[key]
            log.warning("%s no longer means anything, since %s: ignored", key, reason)
    for key, name in _RENAMED.items():
        if key in given:
            settings[name] = given.pop(key)
    _translate_rest(given, settings)
    return settings


def _translate_rest(given: dict[str, Any], settings: dict[str, Any]) -> None:
    """Translate what depends on other keys."""
    epochs = settings.get("epochs", 100)
    for key, name in (
        ("lr_warmup_epochs", "warmup_fraction"),
        ("myow_rampup_epochs", "mined_rampup_fraction"),
    ):
        if key in given:
            settings[name] = given.pop(key) / epochs
    for key, name in (("projector_2_hidden_size", "hidden"), ("projector_2_output_size", "projection")):
        if key in given:
            _require(key, given.pop(key), (settings.get(name, {"hidden": 4096, "projection": 256}[name]),))
    if "transform" in given:
        transforms = given.pop("transform")
        _require("transform", transforms, (["random_crop"], "random_crop"))
    if given.pop("augmentations", 0):
        settings["views"] = {"flip": 0.5, "rotate": True}


def _one_of(key: str, value: str, names: Mapping[str, str]) -> str:
    if value not in names:
        raise ValueError(unknown_name(key, str(value), names))
    return names[value]


def _require(key: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        built = " or ".join(map(repr, allowed))
        raise ValueError(f"{key} {value!r} is not built; there is {built}")
