"""Label volumes from files: an export archive, a NumPy array, or a Zarr."""

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtneuro_probe.features import LABEL_VALUES


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelFile:
    """Label images, and what their file says about them."""

    labels: np.ndarray
    """Label images, integer ``(images, y, x)``."""

    sample_id: np.ndarray | None = None
    """Ids of the images, where the file has them."""

    voxel_size_um: tuple[float, ...] | None = None
    """Voxel size ``(z, y, x)``, where the file has it."""

    label_values: Mapping[str, int] | None = None
    """Value of each of the three labels that was annotated, where the file names its classes."""


def load_labels(path: str | os.PathLike[str]) -> LabelFile:
    """Return the label images of a file.

    Parameters
    ----------
    path
        An ``.npz`` export (its key ``masks``), an ``.npy`` array, a Zarr array, or an OME-Zarr group (its
        level 0).

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        If it is none of these, or holds pickled objects (which are never loaded).
    """
    target = Path(path)
    if not target.exists():
        raise FileNotFoundError(f"a label volume must exist, found none at {target}")
    if target.suffix == ".npz":
        archive = read_archive(target, required=("masks",))
        names = archive.get("class_names")
        size = archive.get("voxel_size_um")
        return LabelFile(
            labels=archive["masks"],
            sample_id=archive.get("sample_id"),
            voxel_size_um=None if size is None else tuple(float(length) for length in size),
            label_values=None if names is None else _values_of([str(name) for name in names]),
        )
    if target.suffix == ".npy":
        try:
            return LabelFile(labels=np.load(target, allow_pickle=False))
        except (ValueError, EOFError) as error:
            raise ValueError(f"{target} must be a NumPy array without pickled objects: {error}") from error
    if target.is_dir():
        return _zarr_labels(target)
    raise ValueError(f"a label volume must be an .npz, an .npy, or a Zarr folder, got {target}")


def load_regions(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray, list[str] | None]:
    """Return ids, region of each (int64) and region names of an ``.npz`` export.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        If it has no ``region`` and ``sample_id``, one entry a sample.
    """
    target = Path(path)
    if not target.is_file():
        raise FileNotFoundError(f"a file of regions must exist, found none at {target}")
    archive = read_archive(target, required=("region", "sample_id"))
    region, ids = archive["region"], archive["sample_id"]
    if region.ndim != 1 or region.dtype.kind not in "ui" or ids.shape != region.shape:
        raise ValueError(
            f"region in {target} must be integers, one a sample_id, got {region.dtype} of shape "
            f"{region.shape} for ids of shape {ids.shape}"
        )
    names = archive.get("region_names")
    return ids, region.astype(np.int64), None if names is None else [str(name) for name in names]


def read_archive(path: Path, *, required: Sequence[str]) -> dict[str, np.ndarray]:
    """Return an ``.npz``'s small arrays and the required ones, refusing pickles."""
    wanted = {*required, "sample_id", "voxel_size_um", "class_names", "region_names"}
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is a single array, not an archive")
            missing = [key for key in required if key not in archive.files]
            if missing:
                raise ValueError(
                    f"it has no {', '.join(missing)}, only {', '.join(archive.files) or 'nothing'}"
                )
            return {key: archive[key] for key in archive.files if key in wanted}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} must be an .npz of plain arrays with {', '.join(required)}: {error}"
        ) from error


def _values_of(class_names: Sequence[str]) -> dict[str, int]:
    """Return the value of each label whose name appears in a class's name."""
    return {
        label: value
        for label in LABEL_VALUES
        for value, name in enumerate(class_names)
        if value and label in name.lower()
    }


def _zarr_labels(path: Path) -> LabelFile:
    import zarr

    try:
        node = zarr.open(path, mode="r")
    except (ValueError, KeyError, OSError) as error:
        raise ValueError(f"{path} must be a Zarr array or an OME-Zarr group: {error}") from error
    if isinstance(node, zarr.Array):
        size = node.attrs.get("voxel_size_um")
        return LabelFile(labels=np.asarray(node[...]), voxel_size_um=_size(size))
    attributes: Any = node.attrs.asdict()
    scales = attributes.get("ome", attributes).get("multiscales")
    if not scales:
        raise ValueError(f"{path} must be a Zarr array or an OME-Zarr group, got a group without multiscales")
    level = scales[0]["datasets"][0]
    array = node[level["path"]]
    if not isinstance(array, zarr.Array):
        raise ValueError(f"level 0 of {path} must be an array, got a group at {level['path']}")
    found = [step["scale"] for step in level.get("coordinateTransformations", []) if step["type"] == "scale"]
    return LabelFile(labels=np.asarray(array[...]), voxel_size_um=_size(found[0] if found else None))


def _size(stored: Any) -> tuple[float, ...] | None:
    return None if stored is None else tuple(float(length) for length in stored)
