"""Volumes from arrays, and from NumPy's .npy and .npz files."""

import math

import numpy as np

from mtneuro_data._shared.volume_file import LazyArray, VolumeFile, open_volume_file, opened_archive
from mtneuro_data.box import Box
from mtneuro_data.sources.base import File, Source, WritableSource


class ArraySource(Source):
    """An array as a volume; it lies in memory, or is read from disk when it is sliced."""

    def __init__(self, array: LazyArray, *, voxel_size_um: tuple[float, float, float] | None = None) -> None:
        self._array = array
        self.voxel_size_um = voxel_size_um
        self.shape = (array.shape[0], array.shape[1], array.shape[2])
        self.dtype = array.dtype

    def read(self, box: Box, /) -> np.ndarray:
        """Return a copy of a box."""
        return np.array(self._array[box.slices])


class WritableArraySource(ArraySource, WritableSource):
    """A memory-mapped array that can be written."""

    _array: np.ndarray

    def write(self, box: Box, voxels: np.ndarray, /) -> None:
        """Write a box."""
        self._array[box.slices] = voxels


def volume_array(array: np.ndarray, name: str, /) -> np.ndarray:
    """Return an array as ``(z, y, x)``; an array of two axes becomes one slice.

    Raises
    ------
    ValueError
        If it has another number of axes, is empty, or holds no numbers.
    """
    if array.dtype.kind not in "buif":
        raise ValueError(f"{name}: a volume holds numbers, got the type {array.dtype}")
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3:
        raise ValueError(f"{name}: a volume has the axes (z, y, x), got the shape {array.shape}")
    if 0 in array.shape:
        raise ValueError(f"{name}: a volume must hold voxels, got the shape {array.shape}")
    return array


def open_npy(file: File, /) -> ArraySource:
    """Return a ``.npy`` file, memory-mapped."""
    array = checked(open_volume_file(file.path)).array
    if file.writable:
        return WritableArraySource(volume_array(np.load(file.path, mmap_mode="r+"), str(file.path)))
    return ArraySource(array)


def open_npz(file: File, /) -> ArraySource:
    """Return one array of a ``.npz`` file: that of the key, the only one, ``images`` or ``image``."""
    key = file.key
    if key is None:
        with opened_archive(file.path) as archive:
            names = list(archive)
        key = names[0] if len(names) == 1 else None
    found = checked(open_volume_file(file.path if key is None else f"{file.path}#{key}"))
    return ArraySource(found.array, voxel_size_um=found.voxel_size_um)


def checked(found: VolumeFile, /) -> VolumeFile:
    """Return a file that was opened, if it holds one volume ``(z, y, x)``.

    Raises
    ------
    ValueError
        If it has another number of axes, or 2^63 bytes or more.
    """
    shape = found.array.shape
    if len(shape) != 3:
        raise ValueError(f"{found.name}: a volume has the axes (z, y, x), got the shape {shape}")
    if math.prod(shape) * found.array.dtype.itemsize >= 1 << 63:
        raise ValueError(f"{found.name}: a volume must have less than 2^63 bytes, got the shape {shape}")
    return found
