"""Zarr arrays of version 2 and 3, and OME-Zarr groups."""

from pathlib import Path
from typing import Any

import numpy as np

from mtneuro_data.volume import Corner

__all__ = ["ZarrSource", "is_zarr", "open_zarr"]

_MICROMETRES = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "angstrom": 1e-4}


def is_zarr(path: Path, /) -> bool:
    """Return whether a folder is a Zarr array or group."""
    return any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


class ZarrSource:
    """A Zarr array of three axes."""

    def __init__(self, array: Any, *, voxel_size_um: tuple[float, float, float] | None) -> None:
        self._array = array
        self.shape: Corner = array.shape
        self.dtype: np.dtype[Any] = array.dtype
        self.voxel_size_um = voxel_size_um

    def read(self, lower: Corner, upper: Corner, /) -> np.ndarray:
        """Return the voxels of a half-open box."""
        return np.asarray(self._array[tuple(slice(lo, hi) for lo, hi in zip(lower, upper, strict=True))])


class WritableZarrSource(ZarrSource):
    """A Zarr array that can be written, by one process at a time."""

    def write(self, lower: Corner, voxels: np.ndarray, /) -> None:
        """Write a box."""
        box = tuple(slice(lo, lo + size) for lo, size in zip(lower, voxels.shape, strict=True))
        self._array[box] = voxels


def open_zarr(path: Path, /, *, writable: bool = False) -> ZarrSource:
    """Return a Zarr array, or level 0 of an OME-Zarr group.

    Raises
    ------
    ValueError
        If the store cannot be read, or does not hold an array of the axes ``(z, y, x)``.
    """
    import zarr

    try:
        node = zarr.open(str(path), mode="r+" if writable else "r")
    except Exception as error:
        # What zarr raises on a damaged store has no common class.
        raise ValueError(f"{path} is not a readable Zarr store: {error}") from None
    voxel_size = None
    if isinstance(node, zarr.Group):
        node, voxel_size = _level_0(node, path)
    if node.ndim != 3 or 0 in node.shape or node.dtype.kind not in "buif":
        raise ValueError(
            f"{path}: a volume has the axes (z, y, x), got {node.dtype} of the shape {node.shape}"
        )
    if voxel_size is None:
        voxel_size = _triple(node.attrs.get("voxel_size_um"))
    kind = WritableZarrSource if writable else ZarrSource
    return kind(node, voxel_size_um=voxel_size)


def _level_0(group: Any, path: Path) -> tuple[Any, tuple[float, float, float] | None]:
    attributes = dict(group.attrs)
    scales = attributes.get("ome", attributes).get("multiscales")
    try:
        scale = scales[0]
        level = scale["datasets"][0]
        array = group[level["path"]]
    except (KeyError, IndexError, TypeError):
        raise ValueError(f"{path} is a Zarr group without OME-Zarr levels; name one of its arrays") from None
    try:
        factors = level["coordinateTransformations"][0]["scale"]
        units = [_MICROMETRES[axis["unit"]] for axis in scale["axes"]]
        return array, _triple([factor * unit for factor, unit in zip(factors, units, strict=True)])
    except (KeyError, IndexError, TypeError, ValueError):
        return array, None


def _triple(values: Any) -> tuple[float, float, float] | None:
    try:
        z, y, x = (float(value) for value in values)
    except (TypeError, ValueError):
        return None
    return (z, y, x)
