"""NumPy's own files."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mtneuro_data.settings import nearest
from mtneuro_data.volume import Corner

__all__ = ["ArraySource", "open_npy", "open_npz", "volume_array"]


class ArraySource:
    """An array in memory, or memory-mapped, as a volume."""

    def __init__(self, array: np.ndarray, *, voxel_size_um: tuple[float, float, float] | None = None) -> None:
        self._array = array
        self.voxel_size_um = voxel_size_um
        self.shape: Corner = (array.shape[0], array.shape[1], array.shape[2])
        self.dtype: np.dtype[Any] = array.dtype

    def read(self, lower: Corner, upper: Corner, /) -> np.ndarray:
        """Return a copy of a half-open box."""
        box = tuple(slice(lo, hi) for lo, hi in zip(lower, upper, strict=True))
        return np.array(self._array[box])


class WritableArraySource(ArraySource):
    """A memory-mapped array that can be written."""

    def write(self, lower: Corner, voxels: np.ndarray, /) -> None:
        """Write a box."""
        box = tuple(slice(lo, lo + size) for lo, size in zip(lower, voxels.shape, strict=True))
        self._array[box] = voxels


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


def open_npy(path: Path, /, *, writable: bool = False) -> ArraySource:
    """Return a ``.npy`` file, memory-mapped."""
    try:
        array = np.load(path, mmap_mode="r+" if writable else "r", allow_pickle=False)
    except (ValueError, EOFError, OverflowError) as error:
        raise ValueError(f"{path} is not a readable .npy file: {error}") from None
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path} is not a readable .npy file: it holds a .npz archive")
    kind = WritableArraySource if writable else ArraySource
    return kind(volume_array(array, str(path)))


def open_npz(path: Path, key: str | None, /) -> ArraySource:
    """Return one array of a ``.npz`` file: that of ``key``, the only one, ``images`` or ``image``."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            name = _chosen(list(archive.files), key, path)
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
            raise ValueError(f'{path} has no array "{key}"; {nearest(key, names)}')
        return key
    if len(names) == 1:
        return names[0]
    for name in ("images", "image"):
        if name in names:
            return name
    raise ValueError(
        f"{path} holds several arrays; name one as {path}#key. Allowed: {', '.join(sorted(names))}"
    )
