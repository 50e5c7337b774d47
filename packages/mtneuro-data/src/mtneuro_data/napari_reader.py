"""A reader of volumes for napari, which finds it by the entry point ``napari.manifest``."""

import math
import operator
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtneuro_data.sources import SCHEMES, locate

if TYPE_CHECKING:
    from mtneuro_data.volume import Volume

Layer = tuple[Any, dict[str, Any], str]
"""Data, settings and type of a layer."""


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[Layer]] | None:
    """Return the function that reads some paths or URIs as layers, or ``None`` if it does not read them.

    Parameters
    ----------
    path
        A path or a URI as `mtneuro_data.open_volume` takes it, or several.
    """
    return layers if all(map(_is_read, _listed(path))) else None


def layers(path: str | Sequence[str], /) -> list[Layer]:
    """Return a layer for each path or URI: labels where the storage states that it holds such, else an image.

    Voxels are read when they are looked at. What has coarser levels is given with them. Lengths are in
    micrometres where the storage states them.

    Raises
    ------
    ValueError, OSError
        As `mtneuro_data.open_volume`.

    Examples
    --------
    >>> [(data, about, kind)] = layers("phantom://pixel_labels?shape=16,64,64")
    >>> data.shape, about["scale"], kind
    ((16, 64, 64), (1.17, 1.17, 1.17), 'labels')
    """
    return [_layer(each) for each in _listed(path)]


class Part:
    """A part of a volume that is read when it becomes an array, and not when it is cut further.

    napari cuts what is in sight out of a level before it takes one slice of it.

    Parameters
    ----------
    volume
        The volume.
    kept
        What is kept of each axis: places, or a single one, whose axis is left out. All by default.

    Examples
    --------
    >>> from mtneuro_data import open_volume
    >>> part = Part(open_volume("phantom://image?shape=16,64,64"))[:, 8:40, ::2]
    >>> part.shape, part[3].shape, np.asarray(part[3]).shape
    ((16, 32, 32), (32, 32), (32, 32))
    """

    def __init__(self, volume: "Volume", kept: "tuple[range | int, ...] | None" = None) -> None:
        self._volume = volume
        self._kept = tuple(map(range, volume.shape)) if kept is None else kept
        self.dtype = volume.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels on each axis that is left."""
        return tuple(len(each) for each in self._kept if isinstance(each, range))

    @property
    def ndim(self) -> int:
        """Number of axes that are left."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all voxels."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any, /) -> Any:
        items = key if isinstance(key, tuple) else (key,)
        if Ellipsis in items:
            at = items.index(Ellipsis)
            items = (*items[:at], *[slice(None)] * (self.ndim + 1 - len(items)), *items[at + 1 :])
        if len(items) > self.ndim:
            raise IndexError(f"{self.ndim} axes take at most as many indices, got {len(items)}")
        left = iter(items)
        kept: list[range | int] = []
        for each in self._kept:
            item = next(left, slice(None)) if isinstance(each, range) else None
            if isinstance(each, range) and item is not None:
                kept.append(each[item if isinstance(item, slice) else operator.index(item)])
            else:
                kept.append(each)
        part = Part(self._volume, tuple(kept))
        return part if part.ndim else np.asarray(part)[()]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if not self.size:
            return np.empty(self.shape, self.dtype if dtype is None else dtype)
        lower, upper, taken = [], [], []
        for each in self._kept:
            if isinstance(each, int):
                lower.append(each)
                upper.append(each + 1)
                taken.append(0)
                continue
            ends = sorted((each[0], each[-1]))
            lower.append(ends[0])
            upper.append(ends[1] + 1)
            taken.append(slice(None, None, each.step))
        voxels = self._volume.read((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2]))
        return np.asarray(voxels[tuple(taken)]).astype(self.dtype if dtype is None else dtype, copy=False)


def _listed(path: str | Sequence[str]) -> list[str]:
    return [os.fspath(each) for each in ([path] if isinstance(path, (str, os.PathLike)) else path)]


def _is_read(uri: str) -> bool:
    """Return whether a path or URI has a kind that is read; nothing is opened."""
    scheme, mark, _ = uri.partition("://")
    if mark and scheme != "file":
        return scheme in SCHEMES
    try:
        locate(uri)
    except ValueError:
        return False
    return True


def _layer(uri: str) -> Layer:
    from mtneuro_data.cache.folder import Cache
    from mtneuro_data.display import display_range
    from mtneuro_data.volume import open_volume

    cache = Cache() if locate(uri).remote else None
    volume = open_volume(uri, cache=cache)
    kind = "labels" if volume.kind == "annotation" else "image"
    about: dict[str, Any] = {"name": _name(uri), "metadata": {"uri": uri}}
    if size := volume.voxel_size_um:
        about["scale"] = size
        about["units"] = ("um", "um", "um")
        about["translate"] = tuple(first * edge for first, edge in zip(volume.offset, size, strict=True))
    if kind == "image":
        z, y, x = volume.shape
        # napari would read whole slices to find them.
        about["contrast_limits"] = display_range(volume, (z // 2, y // 2, x // 2))
    coarser = _coarser(uri, volume)
    parts = [Part(each) for each in (volume, *coarser)]
    return (parts if coarser else parts[0], about, kind)


def _name(uri: str) -> str:
    scheme, mark, rest = uri.partition("://")
    if mark and scheme != "file":
        return rest.partition("?")[0].rstrip("/").rpartition("/")[2]
    return Path(uri).name


def _coarser(uri: str, volume: "Volume") -> list["Volume"]:
    """Return the coarser levels of a volume, where it is a local folder that holds such.

    A phantom computes its coarser levels from the finest, which takes longer than to look at that.
    """
    from mtneuro_data.volume import open_volume

    found = [volume]
    while "#" not in uri and Path(uri).expanduser().is_dir():
        try:
            level = open_volume(f"{uri}#{len(found)}")
        except (ValueError, OSError):
            break
        if level.size >= found[-1].size:
            break
        found.append(level)
    return found[1:]
