"""A volume opened by its URI, read in half-open boxes, through a cache if one is given."""

import math
import operator
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Shaped

from mtneuro_data._shared.bounds import check_memory
from mtneuro_data.box import Box, Corner
from mtneuro_data.sources import locate
from mtneuro_data.sources.base import Kind, Progress, Source, WritableSource

if TYPE_CHECKING:
    from mtneuro_data.cache.folder import Cache
    from mtneuro_data.sources.boss import BossServer

AnyBox = Box | tuple[Corner, Corner]
"""A half-open box, or its two corners: ``lower`` is inside, ``upper`` is not."""


class Volume:
    """A volume that is read in half-open boxes, without clipping or steps.

    It is an array to whoever takes one (Dask, xarray, napari): whole numbers and ``...`` index it too.
    The storage is opened at first use and once in every process, so a volume may be pickled, and
    used in forked and spawned workers.

    Parameters
    ----------
    uri
        Where the volume is; see `open_volume`.
    cache
        Where chunks are kept, or ``None``.
    server
        The database to ask, for ``bossdb://``.
    writable
        Whether to open it for writing.

    Examples
    --------
    >>> volume = open_volume("phantom://image?shape=16,64,64")
    >>> volume[2:4, 0:32, 16:64].shape
    (2, 32, 48)
    >>> volume[3].shape, volume[..., 0:8].shape, volume.nbytes
    ((64, 64), (16, 64, 8), 65536)
    """

    ndim = 3
    """Number of axes: z, y, x."""

    def __init__(
        self,
        uri: str,
        *,
        cache: "Cache | None" = None,
        server: "BossServer | None" = None,
        writable: bool = False,
    ) -> None:
        self.uri = uri
        self.writable = writable
        self._cache = cache
        self._server = server
        self._opened: tuple[int, Source] | None = None

    def __repr__(self) -> str:
        return f"Volume({self.uri!r})"

    def __getstate__(self) -> dict[str, Any]:
        # Sockets, file handles and locks stay behind: the other process opens its own.
        return {**self.__dict__, "_opened": None}

    @property
    def source(self) -> Source:
        """The storage, opened by this process."""
        if self._opened is None or self._opened[0] != os.getpid():
            location = locate(self.uri, server=self._server, writable=self.writable)
            cache = None if location.cache_key is None else self._cache
            self._opened = (os.getpid(), location.open() if cache is None else cache.open_source(location))
        return self._opened[1]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels on each axis, ``(z, y, x)``."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels."""
        return self.source.dtype

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all voxels."""
        return self.size * self.dtype.itemsize

    @property
    def chunks(self) -> Corner | None:
        """Shape ``(z, y, x)`` of the parts that are read as a whole; ``None`` if any box is read alone."""
        return self.source.chunks

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def side_by_side(self) -> bool:
        """Whether several boxes are read faster at once than one after another."""
        return self.source.side_by_side

    @property
    def voxel_size_um(self) -> tuple[float, float, float] | None:
        """Edges of a voxel in micrometres, ``(z, y, x)``; ``None`` if the storage does not state it."""
        return self.source.voxel_size_um

    @property
    def offset(self) -> Corner:
        """First voxel's place in the storage's own frame, ``(z, y, x)``; indices begin at 0 nevertheless."""
        return self.source.offset

    @property
    def kind(self) -> Kind | None:
        """Whether it is an image or an annotation; ``None`` if the storage does not state it."""
        return self.source.kind

    def read(
        self, lower: Corner, upper: Corner, /, *, out: np.ndarray | None = None
    ) -> Shaped[np.ndarray, "z y x"]:
        """Return the voxels of a half-open box, ``(z, y, x)``.

        Parameters
        ----------
        lower, upper
            Corners; ``lower`` is inside, ``upper`` is not.
        out
            An array of the box's shape and the volume's type to read into. It is returned, unless cached
            labels turn out to need a wider type.

        Raises
        ------
        IndexError
            If the box is empty or leaves the volume.
        ValueError
            If the box is larger than the memory at hand.
        OSError
            If the storage cannot be read; for a database also ``PermissionError``,
            ``FileNotFoundError``, ``ConnectionError`` and ``TimeoutError``.

        Examples
        --------
        >>> open_volume("phantom://pixel_labels?shape=16,64,64").read((0, 0, 0), (1, 8, 8)).shape
        (1, 8, 8)
        """
        return self.read_boxes([(lower, upper)], out=None if out is None else [out])[0]

    def read_boxes(
        self, boxes: Sequence[AnyBox], /, *, out: Sequence[np.ndarray] | None = None, keep: bool = False
    ) -> list[Shaped[np.ndarray, "_ _ _"]]:
        """Return the voxels of several half-open boxes, which a database or a cache reads in parallel.

        Parameters
        ----------
        boxes
            Each its two corners, ``lower`` and ``upper``, or a `Box`.
        out
            Arrays of the boxes' shapes and the volume's type to read into, as in `read`.
        keep
            Whether the same boxes will be read repeatedly: a cache then also keeps large ones of an image as
            whole files, which are read in one piece next time.

        Raises
        ------
        IndexError, OSError
            As `read`.

        Examples
        --------
        >>> volume = open_volume("phantom://pixel_labels?shape=16,64,64")
        >>> [voxels.shape for voxels in volume.read_boxes([((0, 0, 0), (1, 8, 8)), ((9, 0, 0), (11, 4, 4))])]
        [(1, 8, 8), (2, 4, 4)]
        """
        inside = self._inside(boxes)
        self._check_targets(inside, out)
        voxels = self.source.read_boxes(inside, out=out) if inside else []
        for box, some in zip(inside if keep else (), voxels if keep else (), strict=True):
            self.source.keep(box, some)
        return voxels

    def read_both(
        self,
        other: "Volume",
        boxes: Sequence[AnyBox],
        /,
        *,
        out: tuple[Sequence[np.ndarray] | None, Sequence[np.ndarray] | None] = (None, None),
        keep: bool = False,
    ) -> tuple[list[Shaped[np.ndarray, "_ _ _"]], list[Shaped[np.ndarray, "_ _ _"]]]:
        """Return the voxels of several half-open boxes of this volume and of another that is aligned with it.

        A phantom computes its image and its pixel labels together in about the time of the image.

        Parameters
        ----------
        other
            The other volume, such as an image's labels.
        boxes, keep
            As in `read_boxes`.
        out
            Arrays to read into for this volume and for the other, each as in `read_boxes`.

        Raises
        ------
        IndexError, OSError
            As `read`.
        """
        read = self.source.joint_reader(other.source)
        if read is None:
            mine = self.read_boxes(boxes, out=out[0], keep=keep)
            return mine, other.read_boxes(boxes, out=out[1], keep=keep)
        inside = self._inside(boxes)
        for volume, arrays in zip((self, other), out, strict=True):
            volume._check_targets(inside, arrays)
        found: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        for at, box in enumerate(inside):
            for voxels, arrays, done in zip(read(box), out, found, strict=True):
                if arrays is not None:
                    arrays[at][...] = voxels
                done.append(voxels if arrays is None else arrays[at])
        return found

    def prefetch(self, boxes: Sequence[AnyBox], /, *, progress: Progress | None = None) -> None:
        """Download the missing parts of several half-open boxes into the cache, if the volume has one.

        Parameters
        ----------
        boxes
            Each its two corners, ``lower`` and ``upper``, or a `Box`.
        progress
            Called with the number of chunks done and the number of missing chunks.

        Raises
        ------
        IndexError, OSError
            As `read`.
        """
        self.source.prefetch(self._inside(boxes), progress=progress)

    def write(self, lower: Corner, voxels: Shaped[np.ndarray, "z y x"], /) -> None:
        """Write a box of voxels, in a volume opened as writable.

        Raises
        ------
        ValueError
            If the volume is not writable, or the type differs.
        IndexError
            If the box leaves the volume.
        """
        start = _corner(lower)
        end = [lo + size for lo, size in zip(start, voxels.shape, strict=True)]
        box = Box.inside(start, end, self.shape, what=self.uri)
        if not self.writable or not isinstance(self.source, WritableSource):
            raise ValueError(f"{self.uri} is not open for writing; open it with writable=True")
        if voxels.dtype != self.dtype:
            raise ValueError(f"{self.uri} holds {self.dtype}, got voxels of {voxels.dtype}")
        self.source.write(box, voxels)

    def _inside(self, boxes: Sequence[AnyBox]) -> list[Box]:
        """Return the boxes; raise ``IndexError`` if one leaves the volume."""
        shape = self.shape
        return [Box.inside(_corner(lower), _corner(upper), shape, what=self.uri) for lower, upper in boxes]

    def _check_targets(self, boxes: Sequence[Box], out: Sequence[np.ndarray] | None) -> None:
        """Refuse arrays that do not take the voxels of boxes, and voxels that memory does not take."""
        if out is None:
            n = sum(box.size for box in boxes)
            check_memory(f"what is read of {self.uri}", n * self.dtype.itemsize, remedy="read smaller boxes")
            return
        if len(out) != len(boxes):
            raise ValueError(f"out must hold an array for each of {len(boxes)} boxes, got {len(out)}")
        for box, array in zip(boxes, out, strict=True):
            if array.shape != box.shape or array.dtype != self.dtype:
                raise ValueError(
                    f"out must be {self.dtype} of the shape {box.shape}, got {array.dtype} of {array.shape}"
                )

    def __getitem__(self, key: Any, /) -> Any:
        lower, upper, taken = self._asked(key)
        return self.read(lower, upper)[taken]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError(
                f"{self.uri} is read from its storage, which always makes a copy, got copy=False"
            )
        return self[...].astype(self.dtype if dtype is None else dtype, copy=False)

    def _asked(self, key: Any) -> tuple[Corner, Corner, tuple[Any, ...]]:
        """Return the corners of the box that is asked for, and what to take of it: all of an axis, or one."""
        items = key if isinstance(key, tuple) else (key,)
        if sum(item is Ellipsis for item in items) == 0:
            items = (*items, Ellipsis)
        at = next(place for place, item in enumerate(items) if item is Ellipsis)
        items = (*items[:at], *[slice(None)] * (self.ndim + 1 - len(items)), *items[at + 1 :])
        lower, upper, taken = [], [], []
        for item, size in zip(items, self.shape, strict=False):
            if isinstance(item, slice) and item.step in (None, 1):
                lower.append(0 if item.start is None else item.start)
                upper.append(size if item.stop is None else item.stop)
                taken.append(slice(None))
            elif isinstance(item, (int, np.integer)) and not isinstance(item, bool):
                lower.append(item)
                upper.append(item + 1)
                taken.append(0)
            else:
                break
        if len(taken) != self.ndim or len(items) != self.ndim:
            raise IndexError(
                f"a volume takes whole numbers, slices [z0:z1, y0:y1, x0:x1] and one ..., got [{_shown(key)}]"
                "; take steps and lists of what is read"
            )
        return _corner(lower), _corner(upper), tuple(taken)


def open_volume(
    uri: str | Path,
    /,
    *,
    cache: "Cache | None" = None,
    server: "BossServer | None" = None,
    writable: bool = False,
) -> Volume:
    """Return the volume at a URI or a path.

    Parameters
    ----------
    uri
        One of

        - ``bossdb://collection/experiment/channel[/level]``,
        - ``phantom://image``, ``phantom://roi_labels`` or ``phantom://pixel_labels``, with
          ``?seed=7&shape=96,512,512&level=2`` where wanted, and with the strengths of
          `mtneuro_data.phantom.Appearance`, as ``&texture=0.5&halo=0``,
        - the database's web address of a channel, ``https://…/v1/mgmt/resources/C/E/CH``,
        - a Zarr array (version 2 or 3), an OME-Zarr group or an N5, whose finest level is read, or that after
          a ``#``, as in ``volume.zarr#1``; also at an ``http``, ``https``, ``s3`` or ``gs`` address, with
          the extra ``cloud``,
        - ``precomputed://`` and an address, a path or ``file:///path``: the format of Neuroglancer, with the
          extra ``cloud``; ``#1`` and so on for a coarser scale,
        - a ``.npy`` file, or a ``.npz`` file (``#key`` names the array; otherwise the only one, or
          ``images`` or ``image``),
        - a NIfTI file, ``.nii`` or ``.nii.gz``,
        - a TIFF, or any image that Pillow reads; one image is a volume of one slice,
        - a folder of images or a glob pattern, stacked along z in natural order.
    cache
        Where chunks from a database or an address are kept. A phantom is kept too where one is given.
    server
        The database to ask, for ``bossdb://``; by default the public one, or what the variables
        ``INTERN_HOST``, ``INTERN_PROTOCOL`` and ``INTERN_TOKEN`` say.
    writable
        Open it for writing as well: a ``.npy`` file or a Zarr array.

    Raises
    ------
    ValueError
        If the URI is malformed or of an unknown kind, or the file does not have the format of its ending.
    FileNotFoundError
        If there is nothing at that place.

    Examples
    --------
    >>> open_volume("phantom://image?shape=16,64,64").shape
    (16, 64, 64)
    """
    volume = Volume(str(uri), cache=cache, server=server, writable=writable)
    # Open now, so that a mistake is reported here and not at the first read.
    source = volume.source
    if writable and not isinstance(source, WritableSource):
        raise ValueError(f"only a .npy file or a Zarr array can be written, got {uri}")
    return volume


def _corner(values: Any) -> Corner:
    try:
        z, y, x = (operator.index(value) for value in values)
    except (TypeError, ValueError):
        raise IndexError(f"a corner is three whole numbers (z, y, x), got {values!r}") from None
    return (z, y, x)


def _shown(key: Any) -> str:
    items = key if isinstance(key, tuple) else (key,)
    return ", ".join(
        ":".join(
            "" if part is None else str(part) for part in (item.start, item.stop, item.step)
        ).removesuffix(":")
        if isinstance(item, slice)
        else str(item)
        for item in items
    )
