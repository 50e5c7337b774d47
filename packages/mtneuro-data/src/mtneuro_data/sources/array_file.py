"""NumPy's own files, and any array in memory, as volumes."""

import zipfile
from pathlib import Path

import numpy as np

from mtneuro_data._shared.words import unknown_name
from mtneuro_data.box import Box
from mtneuro_data.sources.base import File, Source, WritableSource

__all__ = ["ArraySource", "open_npy", "open_npz", "volume_array"]


class ArraySource(Source):
    """An array in memory, or memory-mapped, as a volume."""

    def __init__(self, array: np.ndarray, *, voxel_size_um: tuple[float, float, float] | None = None) -> None:
        self._array = array
        self.voxel_size_um = voxel_size_um
        self.shape = (array.shape[0], array.shape[1], array.shape[2])
        self.dtype = array.dtype

    def read(self, box: Box, /) -> np.ndarray:
        """Return a copy of a box."""
        return np.array(self._array[box.slices])


class WritableArraySource(ArraySource, WritableSource):
    """A memory-mapped array that can be written."""

    def write(self, box: Box, voxels: np.ndarray, /) -> None:
        """Write a box."""
        self._array[box.slices] = voxels


def volume_array(array: np.ndarray, name: str, /) -> np.ndarray:
    """Return an array as ``(z, y, x)``: two axes become one slice.

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
    path = file.path
    try:
        array = np.load(path, mmap_mode="r+" if file.writable else "r", allow_pickle=False)
    except (ValueError, EOFError, OverflowError) as error:
        raise ValueError(f"{path} is not a readable .npy file: {error}") from None
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path} is not a readable .npy file: it holds a .npz archive")
    kind = WritableArraySource if file.writable else ArraySource
    return kind(volume_array(array, str(path)))


def open_npz(file: File, /) -> ArraySource:
    """Return one array of a ``.npz`` file: that of the key, the only one, ``images`` or ``image``."""
    path = file.path
    try:
        with np.load(path, allow_pickle=False) as archive:
            name = _chosen(list(archive.files), file.key, path)
            array = archive[name]
            size = archive["voxel_size_um"] if "voxel_size_um" in archive.files else None
    except (zipfile.BadZipFile, EOFError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is not a readable .npz file: {error}") from None
    except ValueError as error:
        text = str(error)
        raise ValueError(
            text if str(path) in text else f"{path} is not a readable .npz file: {text}"
        ) from None
    voxel = (
        None if size is None or np.shape(size) != (3,) else (float(size[0]), float(size[1]), float(size[2]))
    )
    return ArraySource(volume_array(array, f"{path}#{name}"), voxel_size_um=voxel)


def _chosen(names: list[str], key: str | None, path: Path) -> str:
    if key is not None:
        if key not in names:
            raise ValueError(f"{path}: {unknown_name('the array', key, names)}")
        return key
    if len(names) == 1:
        return names[0]
    for name in ("images", "image"):
        if name in names:
            return name
    raise ValueError(f"{path} holds several arrays; name one as {path}#key, of {', '.join(sorted(names))}")
