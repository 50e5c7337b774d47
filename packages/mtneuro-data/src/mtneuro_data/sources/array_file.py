"""Volumes from arrays, and from NumPy's .npy and .npz files."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mtneuro_data._shared.bounds import check_memory
from mtneuro_data._shared.volume_file import LazyArray, VolumeFile, open_volume_file, opened_archive
from mtneuro_data.box import Box
from mtneuro_data.sources.base import File, Source, WritableSource


class ArraySource(Source):
    """An array as a volume; it lies in memory, or is read from disk when it is sliced."""

    def __init__(self, array: LazyArray, *, voxel_size_um: tuple[float, float, float] | None = None) -> None:
        self._array = array
        self.voxel_size_um = voxel_size_um
        self.shape = (array.shape[0], array.shape[1], array.shape[2])
        self.dtype = array.dtype.newbyteorder("=")

    def read(self, box: Box, /) -> np.ndarray:
        """Return a copy of a box, in this machine's order of bytes."""
        return np.array(self._array[box.slices], self.dtype)


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


class Unpacked:
    """An array that is unpacked whole when it is first read, because its format allows no less.

    Parameters
    ----------
    load
        Unpacks it.
    shape, dtype
        What it will be.
    name
        What messages call it.

    Raises
    ------
    ValueError
        If it does not fit into memory, here and not at the first read.
    """

    def __init__(
        self, load: Callable[[], np.ndarray], shape: tuple[int, ...], dtype: np.dtype[Any], *, name: str
    ) -> None:
        check_memory(name, math.prod(shape) * dtype.itemsize)
        self.shape, self.dtype = shape, dtype
        self._load, self._name = load, name
        self._array: np.ndarray | None = None

    def __getitem__(self, key: Any, /) -> np.ndarray:
        if self._array is None:
            self._array = self._load()
        return self._array[key]


class Oriented:
    """An array whose file names its axes, as a volume ``(z, y, x)``: they are put in order when it is read.

    Parameters
    ----------
    array
        The array, read where it is sliced.
    axes
        Name of each of its axes, in their order; those that are not z, y or x must have one entry.
    name
        What messages call it.

    Raises
    ------
    ValueError
        If an axis in space is named twice, two or more are missing, or another has more than one entry.

    Examples
    --------
    >>> Oriented(np.zeros((4, 3, 2, 1)), ("x", "y", "z", "c"), name="a.h5").shape
    (2, 3, 4)
    """

    def __init__(self, array: LazyArray, axes: Sequence[str], *, name: str) -> None:
        told = ", ".join(f"{axis}: {size}" for axis, size in zip(axes, array.shape, strict=True))
        space = [axis for axis in axes if axis in ("z", "y", "x")]
        if len(set(space)) != len(space) or len(space) < 2:
            raise ValueError(f"{name}: a volume has the axes z, y and x, got {told}")
        if any(size > 1 for axis, size in zip(axes, array.shape, strict=True) if axis not in space):
            raise ValueError(
                f"{name}: a volume has one channel and one time, got {told}; write one of them apart"
            )
        if 0 in array.shape:
            raise ValueError(f"{name}: a volume must hold voxels, got {told}")
        if array.dtype.kind not in "buif":
            raise ValueError(f"{name}: a volume holds numbers, got the type {array.dtype}")
        self._array, self._axes = array, tuple(axes)
        self._stored = space
        sizes = dict(zip(axes, array.shape, strict=True))
        self.shape: tuple[int, int, int] = (sizes.get("z", 1), sizes.get("y", 1), sizes.get("x", 1))
        self.dtype: np.dtype[Any] = array.dtype.newbyteorder("=")

    def __getitem__(self, key: tuple[slice, slice, slice], /) -> np.ndarray:
        wanted = dict(zip("zyx", key, strict=True))
        stored = np.asarray(self._array[tuple(wanted.get(axis, 0) for axis in self._axes)])
        order = [self._stored.index(axis) for axis in "zyx" if axis in self._stored]
        missing = tuple(place for place, axis in enumerate("zyx") if axis not in self._stored)
        return np.expand_dims(stored.transpose(order), missing).astype(self.dtype, copy=False)
