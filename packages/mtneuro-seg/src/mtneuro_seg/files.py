"""Read images with their labels, and write labels."""

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from mtneuro_seg._shared.files import link_target, written_beside
from mtneuro_seg._shared.intensity import Window, Windowed
from mtneuro_seg._shared.terminal import check_output
from mtneuro_seg._shared.volume_file import FORMAT_VERSION, Ranges, VolumeFile, open_volume_file

PREDICTION = "prediction"
"""Attribute of a Zarr that says that a prediction wrote it."""

_NPZ = {
    "format_version",
    "masks",
    "class_names",
    "voxel_size_um",
    "sample_id",
    "region",
    "region_names",
}
"""Arrays of an ``.npz`` of labels."""


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

    sample_id: tuple[str, ...] | None = None
    """Id of each image, where a file has them."""

    intensity: Window | None = None
    """Intensities that became black and white, where the images' file says."""

    voxel_size_um: tuple[float, ...] | None = None
    """Voxel size, where the images' file has it."""


def regions_of(source: VolumeFile) -> dict[str, Any]:
    """Return the regions of a file's images, and their names, as what is made of the images keeps them."""
    found: dict[str, Any] = {}
    if source.region is not None:
        found["region"] = source.region.tolist()
    if source.region_names is not None:
        found["region_names"] = list(source.region_names)
    return found


def seen_through(source: VolumeFile, intensity: Window | None) -> VolumeFile:
    """Return a volume as the grey levels of a window, if there is one."""
    return source if intensity is None else replace(source, array=Windowed(source.array, intensity))


def read_labelled_images(
    images: str,
    labels: str | None = None,
    *,
    ranges: Ranges | None = None,
    intensity: Window | None = None,
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
    intensity
        Intensities that become black and white; the images are then uint8.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a file is not what its name says, no labels are given, or the two differ in shape or in the ids of
        their slices.
    """
    source = open_volume_file(images, ranges=ranges)
    if labels is None and not images.partition("#")[0].endswith(".npz"):
        raise ValueError(
            f"LABELS must be given unless IMAGES is an .npz that holds masks, got {images!r} alone"
        )
    found = seen_through(source, intensity).loaded()
    of_labels = open_volume_file(labels or images.partition("#")[0], key="masks", ranges=ranges)
    masks = of_labels.loaded()
    if masks.shape != found.shape:
        raise ValueError(f"labels must have the images' shape {found.shape}, got {masks.shape}")
    for image, label in zip(source.sample_id or (), of_labels.sample_id or (), strict=False):
        if image != label:
            raise ValueError(
                f"labels must be of the images' slices in the same order, got those of {label} for {image}"
            )
    return LabelledImages(
        images=found,
        masks=masks,
        class_names=source.class_names,
        region=source.region,
        sample_id=source.sample_id or of_labels.sample_id,
        intensity=source.intensity,
        voxel_size_um=source.voxel_size_um,
    )


def save_labels(
    path: str | os.PathLike[str],
    labels: UInt8[np.ndarray, "..."],
    *,
    class_names: tuple[str, ...],
    voxel_size_um: tuple[float, ...] | None = None,
    sample_id: Sequence[str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write labels as ``.npy``, ``.npz`` (key ``masks``) or ``.zarr``, whole or not at all.

    A ``.npz`` and a ``.zarr`` keep the names, voxel size and ids too, and what else is known, ``about``.

    Raises
    ------
    ValueError, OSError
        As `check_labels_path`.
    """
    target = Path(path)
    check_labels_path(target)
    kept: dict[str, Any] = {"class_names": list(class_names), **(about or {})}
    if voxel_size_um is not None:
        kept["voxel_size_um"] = list(voxel_size_um)
    if sample_id is not None:
        kept["sample_id"] = list(sample_id)
    with written_beside(target) as beside:
        if target.suffix == ".npy":
            np.save(beside, labels, allow_pickle=False)
        elif target.suffix == ".npz":
            np.savez_compressed(beside, format_version=FORMAT_VERSION, masks=labels, **kept)
        else:
            mark = {"versions": {"mtneuro-seg": version("mtneuro-seg")}}
            _write_zarr(beside, labels, kept | {PREDICTION: mark})


def check_labels_path(path: Path) -> None:
    """Raise unless labels can be written under such a name.

    Raises
    ------
    ValueError
        If the name ends otherwise than in ``.npy``, ``.npz`` or ``.zarr``.
    FileExistsError
        If an ``.npz`` would replace one that holds more than labels, or a ``.zarr`` something else than a
        prediction.
    OSError
        If it cannot be written there.
    """
    check_output(path, ".npy", ".npz", ".zarr", what="labels", force=True)
    if path.suffix == ".zarr":
        check_zarr_path(path)
    elif path.suffix == ".npz" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            others = sorted({name.removesuffix(".npy") for name in archive.namelist()} - _NPZ)
        if others:
            raise _kept(path, f"an .npz with {', '.join(others)}")


def check_zarr_path(path: Path) -> None:
    """Raise unless a Zarr can be written to a path: nothing is there, or what an earlier prediction wrote.

    Raises
    ------
    ValueError
        If its name ends otherwise than in ``.zarr``.
    FileExistsError
        If something else is there.
    OSError
        If it cannot be written there.
    """
    check_output(path, ".zarr", what="a whole volume's output", force=True)
    if path.exists() and not _is_prediction(path):
        raise _kept(path, "something else")


def partial_folder(path: Path) -> Path:
    """Return the folder beside a Zarr that holds what is done of an unfinished prediction.

    Examples
    --------
    >>> partial_folder(Path("labels.zarr")).name
    'labels.zarr.partial'
    """
    place = link_target(path)
    return place.with_name(f"{place.name}.partial")


def _is_prediction(path: Path) -> bool:
    """Return whether the metadata of a Zarr, or of its finest level, say that a prediction wrote it."""
    for place in (path, path / "0"):
        try:
            about = json.loads((place / "zarr.json").read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return False
        attributes = about.get("attributes") if isinstance(about, dict) else None
        if isinstance(attributes, dict) and PREDICTION in attributes:
            return True
    return False


def _kept(path: Path, found: str) -> FileExistsError:
    return FileExistsError(
        f"{str(path)!r} must be new or an earlier prediction, got {found}, which is not replaced; "
        "choose another name, or remove it first"
    )


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
