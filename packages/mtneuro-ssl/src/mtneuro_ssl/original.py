"""Models of the original benchmark's weights: its checkpoints and classifiers, under their names there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from mtneuro_ssl._shared.model_folder import weights_errors_named
from mtneuro_ssl._shared.torch_file import listed, tensors_of, torch_table
from mtneuro_ssl.model import NetworkModel
from mtneuro_ssl.settings import TrainSettings

_PARTS = {"0": "conv1", "1": "bn1", "3": "layer1", "4": "layer2", "5": "layer3", "6": "layer4"}
"""Parts of a ResNet by their position in the original's sequence, which has no max-pool."""

_CLASSIFIER = "9"
"""Position of a supervised model's last layer in that sequence."""

_REGIONS = ("CTX", "STR", "VP", "ZI")
"""The original's classes, where there are four."""

_PLACES = ("online_encoder.f.", "encoder.f.", "f.")
"""Where an encoder stands: in a self-supervised run's checkpoint, under a linear stage, and by itself."""


_HEADS = {
    "online_projector": "projector",
    "predictor": "predictor",
    "online_projector_m": "mined_projector",
    "predictor_m": "mined_predictor",
}
"""A checkpoint's trained heads, and their names here."""


def original_heads(path: Path | str) -> dict[str, Tensor]:
    """Return the projectors and predictors of a checkpoint, as a model folder keeps them; else none.

    A run may start from them (``start_from``).

    Raises
    ------
    FileNotFoundError, ValueError
        As `original_model`.
    """
    found: dict[str, Tensor] = {}
    for name, value in _weights(torch_table(Path(path))).items():
        head, _, layer = name.partition(".net.")
        if layer and head in _HEADS:
            found[f"{_HEADS[head]}.layers.{layer}"] = value
    return found


def original_model(path: Path | str, **changes: Any) -> NetworkModel:
    """Return the model of a file of the original benchmark's weights; nothing in the file is executed.

    Three layouts are read: a checkpoint of BYOL, MYOW or MYOW-m (``ckpt-800.pt``), whose online encoder is
    taken; the encoder with its linear stage on top; and a supervised classifier.

    Parameters
    ----------
    path
        A file of ``torch.save``.
    **changes
        Settings that the weights do not tell, such as ``method="myow-m"``. By default a checkpoint with a
        second projector is of MYOW, one without of BYOL; a checkpoint's inputs are centred and scaled by the
        benchmark's mean and standard deviation, as its training did, and those of the other two are not.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds no such weights, they do not fit, or a change contradicts them.

    Examples
    --------
    >>> original_model("ckpt-800.pt").embed(images).shape  # doctest: +SKIP
    (1200, 512)
    """
    path = Path(path)
    table = torch_table(path)
    weights = _weights(table)
    place = next((place for place in _PLACES if any(name.startswith(place) for name in weights)), None)
    if place is None:
        other = any(name.startswith("down_blocks.") for name in weights)
        mend = f"; it is a U-Net: `mtneuro-seg import {path} -o FOLDER`" if other else ""
        raise ValueError(
            f"{path} must hold an encoder of the original benchmark, with names such as "
            f"{_PLACES[0]}0.weight, got {listed(weights)}{mend}"
        )
    tensors = _renamed(weights, place)
    known = {
        "encoder": "resnet50" if "encoder.layer1.0.conv3.weight" in tensors else "resnet18",
        "latent_dim": None,
    }
    for key, value in known.items():
        if changes.get(key, value) != value:
            raise ValueError(f"{key} must be {value!r}, as in {path}, got {changes[key]!r}")
    _check_stem(path, tensors)
    settings = TrainSettings.model_validate(
        {
            "method": _method(weights, place),
            **_widths(weights),
            **({"epochs": table["epoch"]} if table.get("epoch") else {}),
            **({} if place == _PLACES[0] else {"mean": 0.0, "sd": 1.0}),
            "normalisation": "given",
            "image_type": "uint8",
            **known,
            **changes,
        }
    )
    if settings.entry.family == "classical":
        raise ValueError(f"method must be one that trains an encoder, got {settings.method!r}")
    classes = tensors["classifier.weight"].shape[0] if "classifier.weight" in tensors else 0
    with weights_errors_named(path, of=f"the original's {settings.encoder}"):
        return NetworkModel.from_tensors(
            settings, tensors, config={"classes": _REGIONS if classes == len(_REGIONS) else None}
        )


def _weights(table: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weights of a file, which in a checkpoint stand beside the optimiser's state."""
    held = table.get("model")
    return tensors_of(held if isinstance(held, Mapping) else table)


def _renamed(weights: Mapping[str, Tensor], place: str) -> dict[str, Tensor]:
    """Return the encoder's and the classifier's weights under our names."""
    found = {name: value for name, value in weights.items() if name.startswith("classifier.")}
    for name, value in weights.items():
        if not name.startswith(place):
            continue
        position, _, rest = name.removeprefix(place).partition(".")
        part = "classifier" if position == _CLASSIFIER else f"encoder.{_PARTS.get(position, position)}"
        found[f"{part}.{rest}"] = value
    return found


def _widths(weights: Mapping[str, Tensor]) -> dict[str, int]:
    """Return the widths of a checkpoint's heads."""
    last = weights.get("online_projector.net.3.weight")
    return {} if last is None else {"projection": last.shape[0], "hidden": last.shape[1]}


def _method(weights: Mapping[str, Tensor], place: str) -> str:
    """Return the method that left these weights, as far as their names tell."""
    if place == "f.":
        return "supervised"
    return "myow" if any(name.startswith("online_projector_m.") for name in weights) else "byol"


def _check_stem(path: Path, tensors: Mapping[str, Tensor]) -> None:
    stem = tensors.get("encoder.conv1.weight")
    if stem is not None and stem.shape[1:] != (1, 3, 3):
        raise ValueError(
            f"{path} must hold an encoder of images of one channel, whose first weights have shape "
            f"(64, 1, 3, 3), got {tuple(stem.shape)}"
        )
