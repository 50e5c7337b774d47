"""A trained network, and its folder: ``model.safetensors``, ``config.json``, ``history.csv``, a card."""

import csv
import io
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Real
from torch import Tensor, nn

from mtneuro_seg._shared import model_folder
from mtneuro_seg._shared.channels import check_no_channels
from mtneuro_seg._shared.digests import array_digest, digest
from mtneuro_seg._shared.factories import check_trusted, imported
from mtneuro_seg._shared.fitting import InputSettings
from mtneuro_seg._shared.foreign import module_errors_named, reason
from mtneuro_seg._shared.masked import check_unmasked
from mtneuro_seg._shared.torch_file import check_model_folder
from mtneuro_seg._shared.words import one_line
from mtneuro_seg.model_card import model_card
from mtneuro_seg.settings import TrainSettings, default_class_names

FORMAT_VERSION = 1
KIND = "mtneuro-seg model"


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

    input: InputSettings | None = None
    """What images it takes, where `fitted` must bring others to their pixel size and grey level."""

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model's folder, whole or not at all.

        Raises
        ------
        FileExistsError
            If something other than a model's folder is in its place.
        """
        model_folder.write_model(
            Path(folder),
            weights=self.network.state_dict(),
            config={
                "format_version": FORMAT_VERSION,
                "kind": KIND,
                "settings": self.settings.model_dump(mode="json"),
                "class_names": list(self.class_names),
                "provenance": self.provenance,
                **({"input": self.input.model_dump(mode="json")} if self.input else {}),
            },
            texts=self._texts(),
        )

    def _texts(self) -> dict[str, str]:
        card = model_card(
            self.settings, class_names=self.class_names, history=self.history, provenance=self.provenance
        )
        if not self.history:
            return {model_folder.CARD: card}
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, fieldnames=list(self.history[0]))
        writer.writeheader()
        writer.writerows(self.history)
        return {model_folder.CARD: card, model_folder.HISTORY: table.getvalue()}


def weights_digest(model: Model) -> str:
    """Return 16 hexadecimal digits that name a model's weights."""
    return digest(
        {
            name: array_digest(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
            for name, value in model.network.state_dict().items()
        }
    )


def build_network(settings: TrainSettings) -> nn.Module:
    """Return the untrained network of the settings, its weights drawn from ``settings.seed``.

    The caller's random state is left as it was.

    Raises
    ------
    ValueError
        If an encoder is unknown or cannot be built, or a network of the user's own cannot be imported or
        made.
    OSError
        If the encoder's weights cannot be read or downloaded.
    """
    foreign = not settings.network.factory.startswith("mtneuro_seg.")
    try:
        factory = imported(settings.network.factory)
    except (Exception, SystemExit) as error:
        if not foreign:
            raise
        raise ValueError(
            f"model must name something that can be imported, got {settings.model!r}: {reason(error)}"
        ) from error
    with torch.random.fork_rng(devices=[]), ExitStack() as stack:
        torch.manual_seed(settings.seed)
        if foreign:
            asked = f"classes={settings.classes}" if ":" in settings.model else "settings"
            stack.enter_context(
                module_errors_named(f"{settings.network.factory!r} must return a torch.nn.Module for {asked}")
            )
        built = factory(classes=settings.classes) if ":" in settings.model else factory(settings)
    if not isinstance(built, nn.Module):
        raise ValueError(
            f"{settings.network.factory!r} must return a torch.nn.Module, got {type(built).__name__}"
        )
    return built


def normalised(images: Real[Tensor, "..."], settings: TrainSettings) -> Float[Tensor, "..."]:
    """Return intensities as the networks take them: divided by 255, centred and scaled.

    Examples
    --------
    >>> settings = TrainSettings(mean=0.5, sd=0.5)
    >>> normalised(torch.tensor([0, 255], dtype=torch.uint8), settings)
    tensor([-1.,  1.])
    """
    return images.to(torch.float32, copy=True).div_(255).sub_(settings.mean).div_(settings.sd)


def check_images(images: object, settings: TrainSettings) -> None:
    """Raise unless the settings' network can take the images, whatever their height and width.

    Raises
    ------
    TypeError
        If they are not a NumPy array.
    ValueError
        If they hold no numbers, have other axes, or are empty.
    """
    axes = "(n, y, x)" if settings.network.axes == 2 else "(n, z, y, x)"
    check_unmasked(images, "images")
    if not isinstance(images, np.ndarray):
        raise TypeError(f"images must be a NumPy array, got {type(images).__name__}")
    if images.dtype.kind not in "uif":
        raise ValueError(f"images must be numbers, got {images.dtype}")
    check_no_channels(images.shape, name="images", subvolumes=settings.network.axes == 3)
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
        If there is not exactly one name for each class.
    """
    if names is None:
        return default_class_names(classes)
    if len(names) != classes:
        raise ValueError(f"class_names must name all {classes} classes, got {len(names)}: {', '.join(names)}")
    return tuple(str(name) for name in names)


def load_model(folder: str | os.PathLike[str], *, trusted: Collection[str] = ()) -> Model:
    """Return the model of a folder, on the CPU and in evaluation mode.

    Parameters
    ----------
    folder
        The model's folder.
    trusted
        Networks of the user's own, as ``package.module:factory``, that may be imported and called if the
        folder names them.

    Raises
    ------
    FileNotFoundError
        If the folder or one of its files is missing.
    ValueError
        If a file is damaged or comes from another version, the network is not trusted, or it is no folder;
        for a file of the original benchmark's weights, the message names the command that makes one.
    """
    root = Path(folder)
    check_model_folder(root, program="mtneuro-seg")
    config = model_folder.read_config(root, kinds=[KIND], format_version=FORMAT_VERSION)
    try:
        settings = TrainSettings.model_validate(_up_to_date(config["settings"]))
        class_names = tuple(config["class_names"])
        given = config.get("input")
        takes = None if given is None else InputSettings.model_validate(given)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else one_line(error)
        raise ValueError(f"{root / model_folder.CONFIG} must describe a model: {reason}") from error
    check_trusted(settings.model, trusted, where=root / model_folder.CONFIG)
    # The file holds all weights, those of the encoder included: nothing is downloaded.
    network = build_network(settings.model_copy(update={"encoder_weights": None}))
    weights = model_folder.read_weights(root)
    with model_folder.weights_errors_named(root / model_folder.WEIGHTS, of=repr(settings.model)):
        network.load_state_dict(weights)
    return Model(
        network=network.eval(),
        settings=settings,
        class_names=class_names,
        history=load_history(root / model_folder.HISTORY),
        provenance=config.get("provenance", {}),
        input=takes,
    )


def _up_to_date(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a folder's settings with what went without saying when it was written: VNetLight had ELU."""
    written = {"activation": "elu"} if settings.get("model") == "vnetlight" else {}
    return {**written, **settings}


def load_history(path: str | os.PathLike[str]) -> tuple[dict[str, float], ...]:
    """Return the rows of a ``history.csv``; none if there is no such file."""
    if not Path(path).is_file():
        return ()
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    return tuple(row | {"epoch": int(row["epoch"]), "step": int(row["step"])} for row in rows)
