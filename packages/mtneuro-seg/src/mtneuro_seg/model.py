"""A trained network, and its folder: ``model.safetensors``, ``config.json``, ``history.csv``, a card."""

import csv
import importlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from mtneuro_seg.disk import disk_named
from mtneuro_seg.model_card import model_card
from mtneuro_seg.settings import TrainSettings, default_class_names

FORMAT_VERSION = 1
_KIND = "mtneuro-seg model"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """A network with the settings it was trained by.

    ``model.network`` is an ordinary ``torch.nn.Module``: it takes ``(batch, 1, [z,] y, x)`` intensities as
    `normalised` returns them, and gives class scores ``(batch, classes, [z,] y, x)``.
    """

    network: nn.Module
    """The network, in evaluation mode."""

    settings: TrainSettings
    """What built and trained it."""

    class_names: tuple[str, ...]
    """A name for every label, background first."""

    history: tuple[dict[str, float], ...] = ()
    """One row an epoch: epoch, step, loss, val_loss, val_iou, val_f1 (nan without validation images)."""

    provenance: dict[str, Any] = field(default_factory=dict[str, Any])
    """Digest of the run, shape and fingerprint of its data, versions of the libraries."""

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model's folder, in one step: it is there whole or not at all.

        Raises
        ------
        FileExistsError
            If there is something else than a model's folder in its place.
        """
        target = Path(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            disk_named(target, then="begins anew"),
            tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside,
        ):
            # A folder inside: only its owner may enter the temporary one.
            partial = Path(beside) / target.name
            partial.mkdir()
            write_model(self, partial)
            put_in_place(partial, target)


def build_network(settings: TrainSettings) -> nn.Module:
    """Return the untrained network of the settings, its weights drawn from ``settings.seed``.

    The caller's random state is left as it was.

    Raises
    ------
    ValueError
        If an encoder is unknown or cannot be built, or a network of the user's own cannot be imported.
    OSError
        If the encoder's weights cannot be read or downloaded.
    """
    module, _, name = settings.network.factory.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"model must name something that can be imported, got {settings.model!r}: {error}"
        ) from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        built = factory(classes=settings.classes) if ":" in settings.model else factory(settings)
    if not isinstance(built, nn.Module):
        raise ValueError(
            f"{settings.network.factory!r} must return a torch.nn.Module, got {type(built).__name__}"
        )
    return built


def normalised(images: UInt8[Tensor, "..."], settings: TrainSettings) -> Float[Tensor, "..."]:
    """Return intensities as the networks take them: divided by 255, centred and scaled.

    Examples
    --------
    >>> settings = TrainSettings(image_mean=0.5, image_sd=0.5)
    >>> normalised(torch.tensor([0, 255], dtype=torch.uint8), settings)
    tensor([-1.,  1.])
    """
    return images.float().div_(255).sub_(settings.image_mean).div_(settings.image_sd)


def check_images(images: object, settings: TrainSettings) -> None:
    """Raise unless ``images`` are what the settings' network can be given, whatever their height and width.

    Raises
    ------
    TypeError
        If they are no NumPy array.
    ValueError
        If they have another type than uint8, other axes, or none in them.
    """
    axes = "(n, y, x)" if settings.network.axes == 2 else "(n, z, y, x)"
    if not isinstance(images, np.ndarray):
        raise TypeError(f"images must be a NumPy array, got {type(images).__name__}")
    if images.dtype != np.uint8:
        raise ValueError(
            f"images must be uint8 (0 to 255), got {images.dtype}; fill NaNs, scale and convert them first"
        )
    if images.ndim != settings.network.axes + 1:
        raise ValueError(
            f"images of the {settings.network.axes}D network {settings.model!r} must have axes {axes}, "
            f"got {images.ndim} axes of shape {images.shape}"
        )
    if images.size == 0:
        raise ValueError(f"images must hold at least one pixel, got shape {images.shape}")


def checked_class_names(names: Sequence[str] | None, classes: int) -> tuple[str, ...]:
    """Return the names as a tuple, or the default ones.

    Raises
    ------
    ValueError
        If there is not one name a class.
    """
    if names is None:
        return default_class_names(classes)
    if len(names) != classes:
        raise ValueError(f"class_names must name all {classes} classes, got {len(names)}: {', '.join(names)}")
    return tuple(str(name) for name in names)


def load_model(folder: str | os.PathLike[str]) -> Model:
    """Return the model of a folder, on the CPU and in evaluation mode.

    Raises
    ------
    FileNotFoundError
        If the folder or one of its files is missing.
    ValueError
        If a file is not what its name says, or comes from another version.
    """
    root = Path(folder)
    for name in ("config.json", "model.safetensors"):
        if not (root / name).is_file():
            raise FileNotFoundError(f"a model's folder must hold {name}, got {str(root)!r} without it")
    try:
        config = json.loads((root / "config.json").read_text("utf-8"))
        if config["kind"] != _KIND or config["format_version"] != FORMAT_VERSION:
            found = f"kind {config['kind']!r}, format_version {config['format_version']}"
            raise ValueError(f"expected kind {_KIND!r}, format_version {FORMAT_VERSION}, got {found}")
        settings = TrainSettings.model_validate(config["settings"])
        class_names = tuple(config["class_names"])
    except (KeyError, TypeError, ValueError) as error:
        reason = _first_fault(error) if isinstance(error, ValidationError) else str(error)
        raise ValueError(f"{str(root / 'config.json')!r} is not a model's config: {reason}") from error
    # The file holds all weights, the encoder's too: nothing is downloaded.
    network = build_network(settings.model_copy(update={"encoder_weights": None}))
    try:
        network.load_state_dict(load_file(root / "model.safetensors"))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{str(root / 'model.safetensors')!r} must hold the weights of {settings.model!r}, got: {reason}"
        ) from error
    return Model(
        network=network.eval(),
        settings=settings,
        class_names=class_names,
        history=load_history(root / "history.csv"),
        provenance=config.get("provenance", {}),
    )


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"


def write_model(model: Model, folder: Path) -> None:
    """Write the model's files into an existing folder."""
    state = {name: value.detach().cpu().contiguous() for name, value in model.network.state_dict().items()}
    # Not save_file, whose file only its owner may read.
    (folder / "model.safetensors").write_bytes(save(state))
    config = {
        "format_version": FORMAT_VERSION,
        "kind": _KIND,
        "settings": model.settings.model_dump(mode="json"),
        "class_names": list(model.class_names),
        "provenance": model.provenance,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    card = model_card(
        model.settings, class_names=model.class_names, history=model.history, provenance=model.provenance
    )
    (folder / "README.md").write_text(card, "utf-8")
    if model.history:
        with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(model.history[0]))
            writer.writeheader()
            writer.writerows(model.history)


def load_history(path: str | os.PathLike[str]) -> tuple[dict[str, float], ...]:
    """Return the rows of a ``history.csv``; none if there is no such file."""
    if not Path(path).is_file():
        return ()
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    return tuple(row | {"epoch": int(row["epoch"]), "step": int(row["step"])} for row in rows)


def put_in_place(partial: Path, target: Path) -> None:
    """Rename a finished folder to its place, over an earlier model if there is one.

    Raises
    ------
    FileExistsError
        If there is something else than a model's folder in its place.
    """
    check_replaceable(target)
    if not target.exists():
        partial.replace(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
    target.replace(old)
    partial.replace(target)
    shutil.rmtree(old)


def check_replaceable(target: Path) -> None:
    """Raise if a model's folder cannot stand at ``target`` without losing something else.

    Raises
    ------
    FileExistsError
        If there is a file, or a folder that is neither empty nor a model's.
    """
    if not target.exists():
        return
    if target.is_dir() and ((target / "config.json").is_file() or not any(target.iterdir())):
        return
    raise FileExistsError(
        f"out must be a new folder or an earlier model's, got {str(target)!r}, which is neither"
    )
