"""Read a volume through a cache: cached chunks from the disk, the others from the volume itself."""

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from filelock import Timeout

from mtneuro_data.box import Box, Corner
from mtneuro_data.cache.chunk import CHUNK, DamagedChunkError, chunks_of
from mtneuro_data.cache.policy import Policy
from mtneuro_data.cache.store import ChunkStore
from mtneuro_data.sources.base import BoxesSource, Kind, Progress, Source

logger = logging.getLogger(__name__)

_READERS = min(4, os.cpu_count() or 1)
_PARALLEL_FROM = 32
"""Smallest number of chunks that several threads read; fewer are read faster by one thread."""


class _Span(NamedTuple):
    """The range that a chunk and a box share along one axis."""

    place: int
    """The chunk's position on the grid."""

    inside: slice
    """The shared range, counted from the chunk's start."""

    target: slice
    """The shared range, counted from the box's start."""


class CachedSource(BoxesSource):
    """A volume whose chunks are read from a cache; missing ones are fetched and added to it.

    Parameters
    ----------
    store
        The volume's chunks on disk.
    opener
        Opens the volume itself, when a chunk is missing.
    policy
        The settings of the cache.
    make_room
        Called with the bytes that are about to be written.
    opened
        The volume itself, where it is open already.
    """

    def __init__(
        self,
        store: ChunkStore,
        opener: Callable[[], Source],
        *,
        policy: Policy,
        make_room: Callable[[int], None],
        opened: Source | None = None,
    ) -> None:
        self._store = store
        self._opener = opener
        self._policy = policy
        self._make_room = make_room
        self._source = opened
        self._seen: set[Corner] = set()
        self.shape = store.shape
        self.voxel_size_um = store.voxel_size_um
        self.offset = store.offset
        self.chunks = CHUNK

    @property
    def kind(self) -> Kind | None:
        """Whether the volume is an image or an annotation, as its storage stated when the cache was made."""
        return self._store.kind

    @property
    def dtype(self) -> np.dtype[Any]:  # pyright: ignore[reportIncompatibleVariableOverride] - it may widen
        """Type of the cached voxels; for labels the smallest type that holds those seen so far."""
        return self._store.dtype

    def read_boxes(
        self, boxes: Sequence[Box], /, *, out: Sequence[np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """Return the voxels of several boxes at once, fetching what is missing.

        Parameters
        ----------
        boxes
            Boxes inside the volume.
        out
            An array for each box, used if it has the type of the cached voxels.

        Raises
        ------
        FileNotFoundError
            If the cache is offline and chunks are missing.
        """
        if not self._whole_boxes:
            return self._read(boxes, out)
        cutouts = self._store.cutouts
        found = [cutouts.read(box, None if out is None else out[at]) for at, box in enumerate(boxes)]
        rest = [at for at, voxels in enumerate(found) if voxels is None]
        read = self._read([boxes[at] for at in rest], None if out is None else [out[at] for at in rest])
        for at, voxels in zip(rest, read, strict=True):
            found[at] = voxels
        return [voxels for voxels in found if voxels is not None]

    def keep(self, box: Box, voxels: np.ndarray, /) -> None:
        """Keep a large box of an image as one file too, so that it is read in one piece next time."""
        cutouts = self._store.cutouts
        # From undamaged chunks only: once the box is kept, these chunks are not read again.
        if self._whole_boxes and cutouts.wants(box) and all(map(self._store.is_whole, chunks_of([box]))):
            cutouts.keep(box, voxels)

    def prefetch(self, boxes: Sequence[Box], /, *, progress: Progress | None = None) -> None:
        """Fetch the missing chunks of some boxes; progress counts those chunks."""
        self._fill(self._wanted(boxes), progress=progress)

    def missing(self, boxes: Iterable[Box], /) -> list[Corner]:
        """Return the chunks that `prefetch` would fetch for some boxes."""
        return [chunk for chunk in self._wanted(boxes) if not self._is_there(chunk)]

    @property
    def _whole_boxes(self) -> bool:
        """Whether large boxes are kept whole: not labels, which compress well, nor if reads are checked."""
        policy = self._policy
        return not (self._store.compressed or policy.verify or policy.limit_bytes is not None)

    def _read(self, boxes: Sequence[Box], out: Sequence[np.ndarray] | None) -> list[np.ndarray]:
        chunks = chunks_of(boxes)
        self._fill(chunks)
        try:
            return self._joined(boxes, out)
        except DamagedChunkError as error:
            if self._policy.offline:
                raise
            logger.warning("%s; it is fetched again", error)
            for chunk in chunks:
                try:
                    self._store.whole(chunk)
                except DamagedChunkError:
                    self._store.forget(chunk)
            self._seen.clear()
            self._fill(chunks)
            return self._joined(boxes, out)

    def _wanted(self, boxes: Iterable[Box]) -> list[Corner]:
        """Return the chunks that some boxes are read from."""
        if self._whole_boxes:
            boxes = [box for box in boxes if not self._store.cutouts.has(box)]
        return chunks_of(boxes)

    def _joined(self, boxes: Sequence[Box], out: Sequence[np.ndarray] | None) -> list[np.ndarray]:
        dtype = self._store.dtype
        arrays = [
            np.empty(box.shape, dtype) if out is None or out[at].dtype != dtype else out[at]
            for at, box in enumerate(boxes)
        ]
        # One job is a layer of chunks in a box: large enough that passing it to a thread costs little.
        jobs = [
            (array, layer, rows, columns)
            for array, box in zip(arrays, boxes, strict=True)
            for layers, rows, columns in [list(map(_spans, box.lower, box.upper, CHUNK))]
            for layer in layers
        ]
        n = len(jobs)
        n_chunks = sum(len(rows) * len(columns) for _, _, rows, columns in jobs)
        readers = min(_READERS, n) if n_chunks >= _PARALLEL_FROM else 1
        if readers == 1:
            wider = self._put(jobs, dtype)
        else:
            parts = [jobs[n * at // readers : n * (at + 1) // readers] for at in range(readers)]
            with ThreadPoolExecutor(readers) as pool:
                wider = any(list(pool.map(lambda part: self._put(part, dtype), parts)))
        # Another process may have widened the labels since their type was looked up.
        return self._joined(boxes, None) if wider else arrays

    def _put(
        self, jobs: Iterable[tuple[np.ndarray, _Span, list[_Span], list[_Span]]], dtype: np.dtype[Any]
    ) -> bool:
        """Copy layers of chunks into arrays; return whether a chunk's type is too wide for its array."""
        reader = self._store.reader(dtype)
        for array, layer, rows, columns in jobs:
            for row, column in product(rows, columns):
                place = (layer.place, row.place, column.place)
                voxels = reader.voxels(place, layer.inside, row.inside)
                if voxels.itemsize > dtype.itemsize:
                    return True
                array[layer.target, row.target, column.target] = voxels[..., column.inside]
        return False

    def _is_there(self, chunk: Corner) -> bool:
        if not self._store.has(chunk):
            return False
        if not self._policy.verify or self._store.is_whole(chunk):
            self._seen.add(chunk)
            return True
        logger.warning("the chunk %s is damaged; it is fetched again", self._store.chunk_path(chunk))
        return False

    def _fill(self, chunks: list[Corner], *, progress: Progress | None = None) -> None:
        # Chunks seen before are not looked up again: if one was removed, reading it fails.
        unseen = chunks if self._policy.verify else [chunk for chunk in chunks if chunk not in self._seen]
        missing = [chunk for chunk in unseen if not self._is_there(chunk)]
        if not missing:
            return
        if self._policy.offline:
            raise self._missing(missing)
        self._make_room(len(missing) * int(np.prod(CHUNK)) * self.dtype.itemsize)
        if self._source is None:
            self._source = self._opener()
        source = self._source
        done = 0

        def counted(_: Any) -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, len(missing))

        # First those that no other process is fetching; then wait for the other processes.
        taken = self._each(source, missing, wait_s=0.0, counted=counted)
        self._each(source, taken, wait_s=-1.0, counted=counted)

    def _each(
        self, source: Source, chunks: list[Corner], *, wait_s: float, counted: Callable[[Any], None]
    ) -> list[Corner]:
        """Fetch chunks in threads; return those that another process still holds after the wait."""
        taken: list[Corner] = []

        def filled(chunk: Corner) -> None:
            try:
                with self._store.claimed(chunk, wait_s=wait_s):
                    if not self._is_there(chunk):
                        self._store.write(chunk, source.fetch(self._store.box_of(chunk)))
            except Timeout:
                taken.append(chunk)
            else:
                counted(chunk)

        if not chunks:
            return taken
        pool = ThreadPoolExecutor(min(len(chunks), source.parallel))
        try:
            futures = [pool.submit(filled, chunk) for chunk in chunks]
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return taken

    def _missing(self, chunks: list[Corner]) -> FileNotFoundError:
        names = ", ".join(".".join(map(str, chunk)) for chunk in chunks[:8])
        more = f" and {len(chunks) - 8} more" if len(chunks) > 8 else ""
        return FileNotFoundError(
            f"offline, and {len(chunks)} chunks of {self._store.uri} are missing: {names}{more} (z.y.x); "
            "read them once without offline"
        )


def _spans(lo: int, hi: int, size: int) -> list[_Span]:
    """Return what a range shares with each chunk along an axis."""
    spans: list[_Span] = []
    for place in range(lo // size, -(-hi // size)):
        first, end = max(lo, place * size), min(hi, (place + 1) * size)
        inside = slice(first - place * size, end - place * size)
        spans.append(_Span(place, inside, slice(first - lo, end - lo)))
    return spans
