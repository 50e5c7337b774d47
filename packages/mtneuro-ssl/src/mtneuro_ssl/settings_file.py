"""Read settings files: our own keys in TOML or JSON, and the original benchmark's network files.

Each key of a network file is translated, or refused if its value is not supported here, or named in a warning
if it has no effect here. A key that the original does not have is an error.
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

_FRACTIONS = {
    "lr_warmup_epochs": "warmup_fraction",
    "myow_rampup_epochs": "mined_rampup_fraction",
    "byol_warmup_epochs": "mined_delay_fraction",
}
"""Keys that count epochs, where ours are fractions of the run."""

_WORDS: dict[str, tuple[str, dict[str, str]]] = {
    "ssl_optimizer": ("optimiser", {"sgd": "sgd", "adam": "adam", "adamw": "adamw", "lars": "lars"}),
    "lr_decay": ("schedule", {"cosine": "cosine", "poly": "poly", "step": "step"}),
    "mm_decay": ("target_schedule", {"cosine": "cosine", "cste": "constant"}),
    "myow_layout": ("mined_layout", {"cascaded": "cascaded", "parallel": "parallel"}),
    "miner_candidate_repr": ("mined_candidates", {"target": "target", "online": "online"}),
    "miner_distance": ("mined_distance", {"cosine": "cosine", "l2": "l2"}),
}
"""Keys whose value is a word, in capitals or not: their name and the word's here."""

_ONLY: dict[str, tuple[object, ...]] = {
    "miner": ("knn",),
    "knn_select": ("random",),
    "in_channels": (1,),
    "encoder_weights": (None, ""),
}
"""Keys of which only some values are supported."""

_MEANINGLESS = {
    "outputdir": "the call names the folder",
    "outweightfilename": "the call names the folder",
    "trans_prob": "a random crop is always made",
    "classes": "the labels have them",
    "encoder_name": "model names the encoder",
}
"""Keys without effect, and why."""

_OF_THE_READOUT = ("optimizer", "learning_rate", "epochs")
"""Keys of the linear stage in a self-supervised file, and of training in a supervised one."""

_OF_ONE_WORD = {
    "lr_poly_decay_n": ("schedule", "poly"),
    "lr_gamma": ("schedule", "step"),
    "lr_milestone": ("schedule", "step"),
    "beta1": ("optimiser", "adam"),
    "beta2": ("optimiser", "adam"),
    "projector_2_hidden_size": ("method", "myow"),
    "projector_2_output_size": ("method", "myow"),
}
"""Keys that only one value of a setting makes use of."""

_OF_ITS_CODE: dict[str, dict[str, Any]] = {
    "SSL": {
        "latent_dim": None,
        "stem": "uniform",
        "exclude_self": False,
        "mean": 0.4894,
        "sd": 0.1238,
    },
    "supervised": {
        "latent_dim": None,
        "stem": "uniform",
        "weight_decay": 0.0,
        "dropout": 0.0,
        "partial_batches": True,
        "mean": 0.0,
        "sd": 1.0,
    },
}
"""What the original's code does by itself, in each kind of training, and no key of its files says."""

KEYS = (
    *_RENAMED, *_FRACTIONS, *_WORDS, *_ONLY, *_MEANINGLESS, *_OF_ONE_WORD, *_OF_THE_READOUT,
    "task_type", "method", "model", "augmentations", "transform",
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
        If it is not TOML or JSON, or a network file has a value that is not supported.
    """
    values = read_values(path)
    original = any(key in KEYS and key not in known for key in values)
    return translated(values) if original else values


def translated(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a file of the original benchmark stands for, with what its code adds to them.

    Raises
    ------
    ValueError
        If a key is unknown, or a value is not supported; the message names those that are.

    Examples
    --------
    >>> settings = translated({"method": "myowmerged", "model": "ResNet-18", "ssl_epochs": 800})
    >>> settings["method"], settings["epochs"], settings["latent_dim"]
    ('myow-m', 800, None)
    """
    for key in values:
        if key not in KEYS:
            raise ValueError(unknown_name("a key", key, KEYS))
    task = values.get("task_type", "SSL" if "method" in values else "supervised")
    if task not in ("SSL", "supervised"):
        raise ValueError(f"task_type must be 'SSL' or 'supervised', got {task!r}")
    settings: dict[str, Any] = {"method": "supervised", **_OF_ITS_CODE[task]}
    views: dict[str, Any] = {}
    if "model" in values:
        settings["encoder"] = _one_of("model", values["model"], _ENCODERS)
    if task == "SSL":
        settings["method"] = _one_of("method", values.get("method", "byol"), _METHODS)
        views["one_offset"] = True
        for key in _OF_THE_READOUT:
            if values.get(key) is not None:
                log.warning("%s belongs to the linear readout, not to self-supervised training: ignored", key)
    else:
        if "optimizer" in values:
            settings["optimiser"] = _one_of(
                "optimizer", str(values["optimizer"]).lower(), {"sgd": "sgd", "adam": "adam"}
            )
        settings |= {key: values[key] for key in ("learning_rate", "epochs") if key in values}
    for key, allowed in _ONLY.items():
        _require(values, key, *allowed)
    for key, reason in _MEANINGLESS.items():
        if key in values:
            log.warning("%s has no effect, since %s: ignored", key, reason)
    for key, (name, words) in _WORDS.items():
        if key in values:
            settings[name] = _one_of(key, str(values[key]).lower(), words)
    settings |= {name: values[key] for key, name in _RENAMED.items() if key in values}
    epochs = settings.get("epochs", 100)
    settings |= {name: values[key] / epochs for key, name in _FRACTIONS.items() if key in values}
    for key, (name, word) in _OF_ONE_WORD.items():
        if key in values and settings.get(name) != word:
            log.warning("%s has no effect, since %s is not %s: ignored", key, name, word)
    if settings.get("schedule") == "poly" and "lr_poly_decay_n" in values:
        settings["poly_power"] = values["lr_poly_decay_n"]
    if settings.get("schedule") == "step":
        settings["step_fractions"] = [epoch / epochs for epoch in values.get("lr_milestone", ())]
        settings |= {"step_factor": values["lr_gamma"]} if "lr_gamma" in values else {}
    if settings.get("optimiser") == "adam":
        settings["betas"] = (values.get("beta1", 0.9), values.get("beta2", 0.999))
    if settings["method"] == "myow":
        _require(values, "projector_2_hidden_size", settings.get("hidden", 4096))
        _require(values, "projector_2_output_size", settings.get("projection", 256))
    if values.get("transform", "random_crop") not in ("random_crop", ["random_crop"]):
        raise ValueError(
            f"transform must be ['random_crop'], got {values['transform']!r}: leave the rest out, and set "
            "what views have beside a crop by name (--set views.zoom=1.5)"
        )
    if values.get("augmentations"):
        views |= {"flip": 0.5, "rotate": True}
    return {**settings, "views": views} if views else settings


def _one_of(key: str, value: str, names: Mapping[str, str]) -> str:
    if value not in names:
        raise ValueError(unknown_name(key, str(value), names))
    return names[value]


def _require(values: Mapping[str, Any], key: str, *allowed: object) -> None:
    if key in values and values[key] not in allowed:
        supported = " or ".join(map(repr, allowed))
        raise ValueError(f"{key} must be {supported}, got {values[key]!r}: nothing else is supported")
