"""The interface of a volume's storage, and the location of a volume."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from mtneuro_data.box import Box, Corner

Progress = Callable[[int, int], None]
"""A callback that is called with the amount done and the total amount."""


Kind = Literal["image", "annotation"]
"""Grey values, which are averaged where they are reduced, or labels, of which the majority is taken."""


class Source(ABC):
    """An opened volume; the methods with a default suit an array or a local file."""

    shape: Corner
    """Voxels on each axis, ``(z, y, x)``."""

    dtype: np.dtype[Any]
    """Type of the voxels that `read` returns."""

    voxel_size_um: tuple[float, float, float] | None = None
    """Edges of a voxel in micrometres, or ``None`` if the storage does not state it."""

    offset: Corner = (0, 0, 0)
    """Where the first voxel lies in the storage's own frame, ``(z, y, x)``; indices begin at 0 still."""

    encoding: str | None = None
    """What the voxels are packed with, where that may change them."""

    chunks: Corner | None = None
    """Shape ``(z, y, x)`` of the parts that the storage reads as a whole, where it has such."""

    @property
    def kind(self) -> Kind | None:
        """Whether the volume is an image or an annotation; ``None`` if the storage does not state it."""
        return None

    side_by_side: bool = False
    """Whether several boxes are read faster at once than one after another."""

    @property
    def parallel(self) -> int:
        """Number of calls of `fetch` to run at the same time."""
        return 1

    @abstractmethod
    def read(self, box: Box, /) -> np.ndarray:
        """Return the voxels of a box that lies inside the volume."""

    def fetch(self, box: Box, /) -> np.ndarray:
        """Return the voxels of a small box in one request, for a cache."""
        return self.read(box)

    def prefetch(  # noqa: B027 - nothing to do without a cache
        self, boxes: Sequence[Box], /, *, progress: Progress | None = None
    ) -> None:
        """Download the missing chunks of some boxes into the cache, if there is one."""

    def keep(self, box: Box, voxels: np.ndarray, /) -> None:  # noqa: B027
        """Keep the voxels of a box that will be read again, if the volume has a cache."""

    def read_boxes(
        self, boxes: Sequence[Box], /, *, out: Sequence[np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """Return the voxels of some boxes, in ``out`` if it is given.

        Parameters
        ----------
        boxes
            Boxes that lie inside the volume.
        out
            An array for each box, of its shape and the volume's type.
        """
        if out is None:
            return [self.read(box) for box in boxes]
        for box, array in zip(boxes, out, strict=True):
            array[...] = self.read(box)
        return list(out)

    def joint_reader(  # noqa: B027
        self, other: "Source", /
    ) -> Callable[[Box], tuple[np.ndarray, np.ndarray]] | None:
        """Return a function that reads a box of this and another volume at once, if that saves time."""


class BoxesSource(Source):
    """Storage that reads several boxes faster at once than one after another."""

    side_by_side = True

    def read(self, box: Box, /) -> np.ndarray:
        """Return the voxels of a box that lies inside the volume."""
        return self.read_boxes([box])[0]

    @abstractmethod
    def read_boxes(
        self, boxes: Sequence[Box], /, *, out: Sequence[np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """Return the voxels of some boxes, in ``out`` if it is given and of the right type."""

    def fetch_blocks(self, blocks: Sequence[tuple[np.ndarray, Corner, Box]], /) -> None:
        """Fetch blocks by several threads, each into the array of a box that begins at a corner."""

        def put(array: np.ndarray, origin: Corner, block: Box) -> None:
            array[block.slices_from(origin)] = self.fetch(block)

        pool = ThreadPoolExecutor(min(self.parallel, max(1, len(blocks))))
        try:
            list(pool.map(put, *zip(*blocks, strict=True)))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class WritableSource(Source):
    """Storage that can also be written."""

    @abstractmethod
    def write(self, box: Box, voxels: np.ndarray, /) -> None:
        """Write a box that lies inside the volume."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a volume is stored: its name in a cache, and how to open it."""

    uri: str
    """The volume's own URI."""

    open: Callable[[], Source]
    """Opens the storage."""

    cache_key: tuple[str | int, ...] | None = None
    """Host, collection, experiment, channel and level, or as many names of another kind of storage; ``None``
    for a volume that is never cached."""

    remote: bool = False
    """Whether it is read over a network, so that commands keep what they read in the user's cache."""


class File(NamedTuple):
    """A file or a folder to open as a volume."""

    path: Path
    """Its path, or a pattern of paths."""

    key: str | None = None
    """What follows a ``#``: the name of an array in the file, or the number of a level."""

    writable: bool = False
    """Whether it is opened for writing too."""
