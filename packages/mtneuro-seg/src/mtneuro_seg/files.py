"""Read images with their labels, and write labels."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from mtneuro_seg._shared.files import written_beside
from mtneuro_seg._shared.volume_file import FORMAT_VERSION, Ranges, open_volume_file


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledImages:
    """Images with their labels, and what their file says about them."""

    images: np.ndarray
    """Images ``(n, y, x)``, or subvolumes ``(n, z, y, x)``."""

    masks: np.ndarray
    """Labels."""

    class_names: tuple[str, ...] | None
    """Names of the labels, where the images' file has them."""

    region: np.ndarray | None
    """Region of each image, where the images' file has it."""


def read_labelled_images(
    images: str, labels: str | None = None, *, ranges: Ranges | None = None
) -> LabelledImages:
    """Return images and their labels in memory.

    Parameters
    ----------
    images
        File or URI of the images.
    labels
        File or URI of their labels; not needed where IMAGES is an ``.npz`` that holds ``masks``.
    ranges
        Part of both volumes to read.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a file is not what its name says, no labels are given, or the two differ in shape.
    """
    source = open_volume_file(images, ranges=ranges)
    if labels is None and not images.partition("#")[0].endswith(".npz"):
        raise ValueError(
            f"LABELS must be given unless IMAGES is an .npz that holds masks, got {images!r} alone"
        )
    found = source.loaded()
    masks = open_volume_file(labels or images.partition("#")[0], key="masks", ranges=ranges).loaded()
    if masks.shape != found.shape:
        raise ValueError(f"labels must have the images' shape {found.shape}, got {masks.shape}")
    return LabelledImages(images=found, masks=masks, class_names=source.class_names, region=source.region)


def save_labels(
    path: str | os.PathLike[str],
    labels: UInt8[np.ndarray, "..."],
    *,
    class_names: tuple[str, ...],
    voxel_size_um: tuple[float, ...] | None = None,
    sample_id: Sequence[str] | None = None,
) -> None:
    """Write labels as ``.npy``, ``.npz`` (key ``masks``) or ``.zarr``, whole or not at all.

    A ``.npz`` and a ``.zarr`` keep the names, voxel size and ids too.

    Raises
    ------
    ValueError
        If the name has another ending.
    FileExistsError
        If a ``.zarr`` folder would replace something else than a Zarr array.
    """
    target = Path(path)
    check_labels_path(target)
    about: dict[str, Any] = {"class_names": list(class_names)}
    if voxel_size_um is not None:
        about["voxel_size_um"] = list(voxel_size_um)
    if sample_id is not None:
        about["sample_id"] = list(sample_id)
    with written_beside(target) as beside:
        if target.suffix == ".npy":
            np.save(beside, labels, allow_pickle=False)
        elif target.suffix == ".npz":
            np.savez_compressed(beside, format_version=FORMAT_VERSION, masks=labels, **about)
        else:
            _write_zarr(beside, labels, about)


def check_labels_path(path: Path) -> None:
    """Raise unless labels can be written under such a name.

    Raises
    ------
    ValueError
        If the name ends otherwise than in ``.npy``, ``.npz`` or ``.zarr``.
    FileExistsError
        If a ``.zarr`` folder would replace something else than a Zarr array.
    """
    if path.suffix not in {".npy", ".npz", ".zarr"}:
        raise ValueError(f"labels must be written to a .npy, .npz or .zarr, got {str(path)!r}")
    if path.suffix == ".zarr" and path.exists() and not (path / "zarr.json").is_file():
        raise FileExistsError(f"{str(path)!r} must be new or a Zarr array, got something else in its place")


def _write_zarr(path: Path, labels: np.ndarray, attributes: dict[str, Any]) -> None:
    import zarr

    array = zarr.create_array(
        path,
        shape=labels.shape,
        dtype=labels.dtype,
        chunks=(*(1,) * (labels.ndim - 3), *(min(64, n) for n in labels.shape[-3:])),
        dimension_names=("n", "z", "y", "x")[-labels.ndim :],
        attributes=attributes,
    )
    array[...] = labels
