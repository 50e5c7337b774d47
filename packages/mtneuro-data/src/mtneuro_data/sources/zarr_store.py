"""Zarr arrays of version 2 and 3, and OME-Zarr groups."""

import math
from functools import partial
from typing import Any

import numpy as np

from mtneuro_data.box import Box
from mtneuro_data.sources.base import File, Location, Source, WritableSource

__all__ = ["ZarrSource", "located", "open_folder"]

_MICROMETRES = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "angstrom": 1e-4}

_LARGEST_BYTES = (1 << 63) - 1
"""What an index reaches; a store that says more is wrong about its shape."""


class ZarrSource(Source):
    """A Zarr array of three axes."""

    def __init__(self, array: Any, *, name: str, voxel_size_um: tuple[float, float, float] | None) -> None:
        self._array = array
        self._name = name
        self.shape = array.shape
        self.dtype = array.dtype
        self.voxel_size_um = voxel_size_um

    def read(self, box: Box, /) -> np.ndarray:
        """Return the voxels of a box.

        Raises
        ------
        ValueError
            If a chunk is not what the store's description says, or the box is larger than memory.
        """
        try:
            return np.asarray(self._array[box.slices])
        except (ValueError, RuntimeError, MemoryError) as error:
            raise ValueError(
                f"{self._name}: the box {box.lower} to {box.upper} cannot be read: {error}"
            ) from error


class WritableZarrSource(ZarrSource, WritableSource):
    """A Zarr array that can be written, by one process at a time."""

    def write(self, box: Box, voxels: np.ndarray, /) -> None:
        """Write a box."""
        self._array[box.slices] = voxels


def open_folder(file: File, /) -> ZarrSource:
    """Return a Zarr array, or the level of an OME-Zarr group that the key says, the finest by default.

    Raises
    ------
    ValueError
        If the store cannot be read, has no such level, or does not hold an array of the axes ``(z, y, x)``.
    """
    return _open(str(file.path), file.key, writable=file.writable)


def located(uri: str, _server: object, /) -> Location:
    """Return where a Zarr store at an address lies; the level of an OME-Zarr group follows a ``#``."""
    address, mark, key = uri.partition("#")
    return Location(uri, partial(_open, address, key if mark else None))


def _open(path: str, key: str | None, *, writable: bool = False) -> ZarrSource:
    import zarr

    if key is not None and not (key.isdecimal() and len(key) < 3):
        raise ValueError(f"a level is a number, as in volume.zarr#1, got {path}#{key}")

    try:
        node = zarr.open(path, mode="r+" if writable else "r")
    except ImportError as error:
        raise ValueError(f"{path}: reading it over the network needs fsspec and its parts: {error}") from None
    except Exception as error:
        # What zarr and the network raise has no common class.
        raise ValueError(f"{path} is not a readable Zarr store: {error}") from None
    voxel_size = None
    if isinstance(node, zarr.Group):
        node, voxel_size = _level(node, int(key or 0), path)
    elif key is not None:
        raise ValueError(f"{path} is one array and has no levels, got #{key}")
    if node.ndim != 3 or 0 in node.shape or node.dtype.kind not in "buif":
        raise ValueError(
            f"{path}: a volume has the axes (z, y, x), got {node.dtype} of the shape {node.shape}"
        )
    if math.prod(node.shape) * node.dtype.itemsize > _LARGEST_BYTES:
        raise ValueError(f"{path}: a volume must have less than 2^63 bytes, got the shape {node.shape}")
    if voxel_size is None:
        voxel_size = _triple(node.attrs.get("voxel_size_um"))
    kind = WritableZarrSource if writable else ZarrSource
    return kind(node, name=path, voxel_size_um=voxel_size)


def _level(group: Any, level: int, path: str) -> tuple[Any, tuple[float, float, float] | None]:
    attributes = dict(group.attrs)
    try:
        multiscale = attributes.get("ome", attributes)["multiscales"][0]
        datasets = list(multiscale["datasets"])
        datasets[0]["path"]
    except (KeyError, IndexError, TypeError):
        raise ValueError(f"{path} is a Zarr group without OME-Zarr levels; name one of its arrays") from None
    if level >= len(datasets):
        raise ValueError(f"{path}: level must lie within [0, {len(datasets)}), got {level}")
    try:
        array = group[datasets[level]["path"]]
    except (KeyError, TypeError):
        raise ValueError(f"{path}: its level {level} is not there") from None
    try:
        units = [_MICROMETRES[axis["unit"]] for axis in multiscale["axes"]]
        size = [
            own * common * unit
            for own, common, unit in zip(_scale(datasets[level]), _scale(multiscale), units, strict=True)
        ]
    except (KeyError, TypeError, ValueError):
        return array, None
    return array, _triple(size)


def _scale(described: Any) -> list[float]:
    """Return the scale that a level, or the whole image, is multiplied by; ones where none is said."""
    for transformation in described.get("coordinateTransformations", []):
        if transformation["type"] == "scale":
            return list(transformation["scale"])
    return [1.0, 1.0, 1.0]


def _triple(values: Any) -> tuple[float, float, float] | None:
    try:
        z, y, x = (float(value) for value in values)
    except (TypeError, ValueError):
        return None
    return (z, y, x)
