"""Volumes from files: an export archive, a NumPy array, or a Zarr."""

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtneuro_probe.embeddings import Embeddings
from mtneuro_probe.registry import LABEL_VALUES
from mtneuro_probe.sample import CORNERS
from mtneuro_probe.types import ArraySource


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VolumeFile:
    """An array of a file, and what the file says about it."""

    array: ArraySource
    """The array; one of a Zarr is read only where it is sliced."""

    sample_id: np.ndarray | None = None
    """Ids of the images, where the file has them."""

    voxel_size_um: tuple[float, ...] | None = None
    """Voxel size, where the file has it."""

    label_values: Mapping[str, int] | None = None
    """Value of each of the three labels that was annotated, where the file names its classes."""

    def ids(self, cube: str, *, first_z: int = 0) -> list[str]:
        """Return the ids of the images, made of a cube's name and slices where the file has none."""
        if self.sample_id is not None:
            return [str(name) for name in self.sample_id]
        return [f"{cube}/z{first_z + z}" for z in range(self.array.shape[0])]


def load_volume(path: str | os.PathLike[str], *, key: str = "masks") -> VolumeFile:
    """Return the volume of a file.

    Parameters
    ----------
    path
        An ``.npz`` export, an ``.npy`` array, a Zarr array, or an OME-Zarr group (its level 0).
    key
        The array of an export: ``masks`` or ``images``.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        If it is none of these, or holds pickled objects (which are never loaded).
    """
    target = Path(path)
    if not target.exists():
        raise FileNotFoundError(f"a volume must exist, found none at {target}")
    if target.suffix == ".npz":
        archive = read_archive(target, required=(key,))
        names, size = archive.get("class_names"), archive.get("voxel_size_um")
        return VolumeFile(
            array=archive[key],
            sample_id=archive.get("sample_id"),
            voxel_size_um=_size(size),
            label_values=None if names is None else _values_of([str(name) for name in names]),
        )
    if target.suffix == ".npy":
        try:
            return VolumeFile(array=np.load(target, allow_pickle=False, mmap_mode="r"))
        except (ValueError, EOFError) as error:
            raise ValueError(f"{target} must be a NumPy array without pickled objects: {error}") from error
    if target.is_dir():
        return _zarr_volume(target)
    raise ValueError(f"a volume must be an .npz, an .npy, or a Zarr folder, got {target}")


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


def rows_of(embeddings: Embeddings, ids: Sequence[str] | np.ndarray, *, what: str) -> np.ndarray:
    """Return which row of a file belongs to each embedding; a corner without one of its own has its image's.

    Raises
    ------
    ValueError
        If an embedding has no row; the first ten such are shown.
    """
    known = {str(name): row for row, name in enumerate(ids)}
    wanted = [str(name) for name in embeddings.sample_id]
    ends = tuple(f"/{corner}" for corner in CORNERS)
    image = [name.rpartition("/")[0] if name.endswith(ends) else name for name in wanted]
    rows = [known.get(name, known.get(whole)) for name, whole in zip(wanted, image, strict=True)]
    missing = [name for name, row in zip(wanted, rows, strict=True) if row is None]
    if missing:
        raise ValueError(
            f"every embedding must have {what}, {len(missing)} have none, the first: "
            f"{', '.join(missing[:10])}"
        )
    return np.array(rows, dtype=np.int64)


def images_of(embeddings: Embeddings, volume: VolumeFile, *, cube: str) -> np.ndarray:
    """Return the image that each embedding was made of, cut to its corner.

    Raises
    ------
    ValueError
        If an embedding has no image.
    """
    ids = volume.ids(cube)
    images = np.asarray(volume.array[...])[rows_of(embeddings, ids, what="an image")]
    own = set(ids)
    corner = ["" if str(name) in own else str(name).rpartition("/")[2] for name in embeddings.sample_id]
    if not any(corner):
        return images
    y, x = images.shape[-2] // 2, images.shape[-1] // 2
    cut = [
        image[..., -y:, :] if at.startswith("b") else image[..., :y, :]
        for image, at in zip(images, corner, strict=True)
    ]
    return np.stack(
        [part[..., -x:] if at.endswith("r") else part[..., :x] for part, at in zip(cut, corner, strict=True)]
    )


def _values_of(class_names: Sequence[str]) -> dict[str, int]:
    """Return the value of each label whose name appears in a class's name."""
    return {
        label: value
        for label in LABEL_VALUES
        for value, name in enumerate(class_names)
        if value and label in name.lower()
    }


def _zarr_volume(path: Path) -> VolumeFile:
    import zarr

    try:
        node = zarr.open(path, mode="r")
    except (ValueError, KeyError, OSError) as error:
        raise ValueError(f"{path} must be a Zarr array or an OME-Zarr group: {error}") from error
    if isinstance(node, zarr.Array):
        ids: Any = node.attrs.get("sample_id")
        return VolumeFile(
            array=node,
            sample_id=None if ids is None else np.array(ids, dtype=np.str_),
            voxel_size_um=_size(node.attrs.get("voxel_size_um")),
        )
    attributes: Any = node.attrs.asdict()
    scales = attributes.get("ome", attributes).get("multiscales")
    if not scales:
        raise ValueError(f"{path} must be a Zarr array or an OME-Zarr group, got a group without multiscales")
    level = scales[0]["datasets"][0]
    array = node[level["path"]]
    if not isinstance(array, zarr.Array):
        raise ValueError(f"level 0 of {path} must be an array, got a group at {level['path']}")
    found = [step["scale"] for step in level.get("coordinateTransformations", []) if step["type"] == "scale"]
    return VolumeFile(array=array, voxel_size_um=_size(found[0] if found else None))


def _size(stored: Any) -> tuple[float, ...] | None:
    return None if stored is None else tuple(float(length) for length in stored)
