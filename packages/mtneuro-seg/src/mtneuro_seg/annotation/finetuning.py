"""Train a model on with what a person corrected."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Real, UInt8
from lightning.pytorch.loggers import Logger

from mtneuro_seg._shared.kinds import check_type
from mtneuro_seg._shared.pixels import check_image_type
from mtneuro_seg.annotation.corrections import ALL, Correction, read_corrections
from mtneuro_seg.annotation.folder import UNKNOWN
from mtneuro_seg.model import Model
from mtneuro_seg.settings import TrainSettings
from mtneuro_seg.training import train

SLOWER = 0.1
"""Part of the model's learning rate by which it is trained on, unless another is given."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Corrected:
    """The boxes of one or more folders of suggestions that are to be learnt from."""

    images: Real[np.ndarray, "images *size"]
    """Slices of the boxes for a 2D network, the boxes for a 3D one."""

    masks: UInt8[np.ndarray, "images *size"]
    """Their labels; the model's ``ignore_label``, or 255, where nothing is known."""

    boxes: tuple[Correction, ...]
    """The boxes themselves."""

    others: tuple[str, ...]
    """Boxes that were neither changed nor accepted, or that were removed."""


def corrected_images(
    folders: Sequence[str | os.PathLike[str]], *, model: Model, accept: Collection[str] = ()
) -> Corrected:
    """Return what a person corrected in folders of suggestions, as images and masks to train on.

    Parameters
    ----------
    folders
        What `suggest` wrote, of one model or of several of the same classes.
    model
        Whose classes and axes they must fit.
    accept
        Names of boxes whose labels are right as the model had them, or ``"all"``.

    Raises
    ------
    FileNotFoundError
        If a folder or a file of a box is missing.
    ValueError
        If no box was corrected or accepted, a name to accept is none of the boxes', boxes are of several
        sizes, or a file is not what it must be.
    """
    if not folders:
        raise ValueError("there must be a folder of suggestions to learn from, got none")
    accept = {accept} if isinstance(accept, str) else set(accept)
    found: list[Correction] = []
    others: list[str] = []
    for folder in folders:
        of_folder, rest = read_corrections(Path(folder), class_names=model.class_names, accept=accept)
        found += of_folder
        others += rest
    known = {each.box.name for each in found} | set(others)
    if unknown := sorted(accept - known - {ALL}):
        raise ValueError(f"boxes to accept must be among {', '.join(sorted(known))}, got {unknown[0]!r}")
    if not found:
        raise ValueError(
            f"a box must be corrected to be learnt from, got none of {len(others)} in "
            f"{', '.join(map(str, folders))}; name those that are right as they are with --accept"
        )
    flat = model.settings.network.axes == 2
    sizes = {each.box.shape[1:] if flat else each.box.shape: each.box.name for each in found}
    if len(sizes) > 1:
        told = " and ".join(f"{size} of {name}" for size, name in list(sizes.items())[:2])
        raise ValueError(f"boxes must be of one size to be learnt from together, got {told}")
    ignored = model.settings.ignore_label if model.settings.ignore_label is not None else UNKNOWN
    stack = np.concatenate if flat else np.stack
    images, masks = stack([each.image for each in found]), stack([each.labels for each in found])
    check_image_type(images, model.settings, name="the images of the boxes")
    masks = np.where(masks == UNKNOWN, np.uint8(ignored), masks)
    labelled = (masks != ignored).any(axis=tuple(range(1, masks.ndim)))
    return Corrected(images=images[labelled], masks=masks[labelled], boxes=tuple(found), others=tuple(others))


def finetune(
    model: Model,
    folders: Sequence[str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str],
    changes: Mapping[str, Any] | None = None,
    accept: Collection[str] = (),
    replace: bool = False,
    progress: Callable[[int, int], None] | None = None,
    loggers: Sequence[Logger] = (),
) -> Model:
    """Train a model on with what a person corrected, and write the new model's folder.

    The network starts from the model's weights. Its settings are the model's, with a tenth of the learning
    rate, and intensities are normalised as the model's are.

    Parameters
    ----------
    model
        The model to start from; it is left as it is.
    folders
        Folders of suggestions with corrections: those of all rounds, so that nothing is forgotten.
    out
        Folder of the new model. An interrupted training goes on as `train` does.
    changes
        Settings that are to differ, such as ``{"epochs": 5}``.
    accept
        Names of boxes whose labels are right as the model had them, or ``"all"``.
    replace
        Whether a model of other settings or data, if one is there, is replaced.
    progress, loggers
        As for `train`.

    Raises
    ------
    ValueError, FileNotFoundError
        As `corrected_images`, and as `train`.
    """
    check_type(model, Model, "model", mend=", as load_model(folder) returns it")
    corrected = corrected_images(folders, model=model, accept=accept)
    return train(
        corrected.images,
        tuned_settings(model.settings, changes or {}),
        masks=corrected.masks,
        out=out,
        replace=replace,
        start=model,
        class_names=model.class_names,
        progress=progress,
        loggers=loggers,
    )


def tuned_settings(settings: TrainSettings, changes: Mapping[str, Any]) -> TrainSettings:
    """Return the settings by which a model is trained on.

    Examples
    --------
    >>> tuned_settings(TrainSettings(classes=3), {"epochs": 2}).learning_rate
    0.0001
    """
    kept = settings.model_dump()
    # What validation images decided, of which there are none.
    kept |= {"keep": "last", "patience": None, "encoder_weights": None, "device": "auto"}
    kept |= {"normalisation": "given", "learning_rate": settings.learning_rate * SLOWER}
    if settings.ignore_label is None:
        kept["ignore_label"] = UNKNOWN
    return TrainSettings.model_validate(kept | dict(changes))
