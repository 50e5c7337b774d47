"""Read back what a person corrected in a folder of suggestions."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Real, UInt8

from mtneuro_seg._shared.digests import array_digest
from mtneuro_seg._shared.volume_file import open_volume_file
from mtneuro_seg.annotation.boxes import Box
from mtneuro_seg.annotation.folder import UNKNOWN, Suggested, Suggestions, read_suggestions
from mtneuro_seg.nifti import read_nifti

ALL = "all"
"""Every box that was not changed, among those to accept."""

_NIFTI = (".nii", ".nii.gz")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Correction:
    """A box with the labels that a person gave it, or accepted."""

    box: Box
    """Where it lies."""

    image: Real[np.ndarray, "z y x"]
    """Its voxels."""

    labels: UInt8[np.ndarray, "z y x"]
    """Its labels; 255 where nothing is known."""

    changed: float
    """Share of its voxels whose label is not the model's."""


def read_corrections(
    folder: Path, *, class_names: Sequence[str], accept: Collection[str] = ()
) -> tuple[tuple[Correction, ...], tuple[str, ...]]:
    """Return the boxes of a folder of suggestions that a person corrected, and the names of the others.

    Parameters
    ----------
    folder
        What `suggest` wrote.
    class_names
        The classes that the labels must be of.
    accept
        Names of boxes whose labels are right as the model had them, or ``"all"``.

    Raises
    ------
    FileNotFoundError
        If the folder, or a file of a box, is missing; a box whose whole folder was removed is left out.
    ValueError
        If the folder is of other classes, or a file of labels has another shape, voxel size or other values
        than its image and classes allow, or two files of one box were corrected otherwise.
    """
    written = read_suggestions(folder)
    if written.class_names != tuple(class_names):
        raise ValueError(
            f"{folder} must be of a model of the classes {', '.join(class_names)}, "
            f"got {', '.join(written.class_names)}"
        )
    found: list[Correction] = []
    others: list[str] = []
    for suggested in written.boxes:
        name = suggested.box.name
        place = folder / "boxes" / name
        labels = _labels(place, suggested, written) if place.is_dir() else None
        if labels is None or not (taken := ALL in accept or name in accept or _differ(labels, suggested)):
            others.append(name)
        elif taken:
            found.append(
                Correction(
                    box=suggested.box,
                    image=_image(place, suggested),
                    labels=labels,
                    changed=float((labels != suggested.prediction).mean()),
                )
            )
    return tuple(found), tuple(others)


def _labels(place: Path, suggested: Suggested, written: Suggestions) -> UInt8[np.ndarray, "z y x"]:
    """Return the labels of a box: those of the file that was corrected, or the model's."""
    paths = sorted(path for path in place.iterdir() if path.name.startswith("labels"))
    if not paths:
        raise FileNotFoundError(
            f"box {suggested.box.name} must have a file of labels, such as labels.nii.gz, found none in "
            f"{place}; to leave the box out, remove its folder"
        )
    corrected: dict[Path, np.ndarray] = {}
    for path in paths:
        labels = _of_file(path, suggested, written)
        if _differ(labels, suggested):
            corrected[path] = labels
    for path, labels in corrected.items():
        first, wanted = next(iter(corrected.items()))
        if not np.array_equal(labels, wanted):
            raise ValueError(
                f"box {suggested.box.name} must have one corrected file of labels, got two that differ, "
                f"{first.name} and {path.name}, in {place}; remove one of them"
            )
    return next(iter(corrected.values()), suggested.prediction)


def _differ(labels: np.ndarray, suggested: Suggested) -> bool:
    return not np.array_equal(labels, suggested.prediction)


def _of_file(path: Path, suggested: Suggested, written: Suggestions) -> UInt8[np.ndarray, "z y x"]:
    """Return the labels in a file, once they are seen to be of the box and of its classes."""
    if path.name.lower().endswith(_NIFTI):
        read = read_nifti(path)
        labels, edges = read.array, read.voxel_size_um
    else:
        file = open_volume_file(path, key="masks")
        labels, edges = file.loaded(), file.voxel_size_um
    wanted = suggested.box.shape
    if labels.shape != wanted:
        raise ValueError(f"labels in {path} must have the box's shape {wanted}, got {labels.shape}")
    known = written.voxel_size_um
    if edges is not None and known is not None and not _alike(edges, known):
        wanted, got = (" x ".join(f"{edge:g}" for edge in each) for each in (known, edges))
        raise ValueError(f"labels in {path} must have the image's voxels of {wanted} µm, got {got} µm")
    # Not by way of a type: some tools save labels as floats.
    values = np.unique(labels)
    classes = len(written.class_names)
    wrong = [value for value in values.tolist() if not (value in range(classes) or value == UNKNOWN)]
    if wrong:
        raise ValueError(
            f"labels in {path} must be whole numbers from 0 to {classes - 1}, or {UNKNOWN} where nothing is "
            f"known, got {wrong[0]:g} in {int((labels == wrong[0]).sum())} voxels"
        )
    return labels.astype(np.uint8)


def _alike(edges: Sequence[float], known: Sequence[float]) -> bool:
    return all(math.isclose(first, second, rel_tol=1e-3) for first, second in zip(edges, known, strict=True))


def _image(place: Path, suggested: Suggested) -> Real[np.ndarray, "z y x"]:
    """Return the image of a box as it was written."""
    path = place / "image.nii.gz"
    if not path.is_file():
        raise FileNotFoundError(f"box {suggested.box.name} must have its image.nii.gz, found none in {place}")
    image = read_nifti(path).array.astype(suggested.image_type, copy=False)
    if array_digest(image) != suggested.image_digest:
        raise ValueError(f"{path} must hold the image that was suggested, got other voxels")
    return image
