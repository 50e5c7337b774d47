"""A volume read through a cache."""

import logging
import os
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import Timeout

from mtneuro_data.chunk_store import CHUNK, ChunkStore, DamagedChunkError
from mtneuro_data.volume import Corner, Source

if TYPE_CHECKING:
    from mtneuro_data.cache import Cache

__all__ = ["CachedSource"]

logger = logging.getLogger(__name__)

_READERS = min(4, os.cpu_count() or 1)
_PARALLEL_FROM = 32
"""Labels' chunks from which on several threads decode; raw ones are read faster than threads hand over."""


class CachedSource:
    """A volume whose chunks are read where they are kept, and else fetched and kept.

    Parameters
    ----------
    store
        The volume's chunks on disk.
    opener
        Opens the volume itself, when a chunk is missing.
    cache
        The cache that the store belongs to.
    opened
        The volume itself, where it is open already.
    """

    direct = True

    def __init__(
        self, store: ChunkStore, opener: Callable[[], Source], cache: "Cache", *, opened: Source | None = None
    ) -> None:
        self._store = store
        self._opener = opener
        self._cache = cache
        self._source = opened
        self._seen: set[Corner] = set()
        self.shape = store.shape
        self.voxel_size_um = store.voxel_size_um

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels as kept: labels as the smallest type that holds those seen so far."""
        return self._store.dtype

    def read(self, lower: Corner, upper: Corner, /, *, out: np.ndarray | None = None) -> np.ndarray:
        """Return the voxels of a half-open box, fetching what is missing.

        Parameters
        ----------
        lower, upper
            Corners ``(z, y, x)``.
        out
            Where to put them, if it is of the type that they are kept as; else a new array is returned.

        Raises
        ------
        FileNotFoundError
            If the cache is offline and chunks are missing.
        """
        chunks = list(self._store.chunks_of(lower, upper))
        self._fill(chunks)
        try:
            return self._joined(chunks, lower, upper, out)
        except DamagedChunkError as error:
            if self._cache.offline:
                raise
            logger.warning("%s; it is fetched again", error)
            for chunk in chunks:
                if not self._readable(chunk):
                    self._store.forget(chunk)
            self._seen.clear()
            self._fill(chunks)
            return self._joined(chunks, lower, upper, out)

    def fill(
        self,
        boxes: Iterable[tuple[Corner, Corner]],
        /,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Fetch whatever of some boxes is missing, and keep it.

        Parameters
        ----------
        boxes
            Half-open boxes, ``lower`` and ``upper``.
        progress
            Called with the chunks done and the number of those that were missing.
        """
        chunks = {chunk: None for box in boxes for chunk in self._store.chunks_of(*box)}
        self._fill(list(chunks), progress=progress)

    def _joined(
        self, chunks: list[Corner], lower: Corner, upper: Corner, out: np.ndarray | None
    ) -> np.ndarray:
        dtype = self._store.dtype
        if out is None or out.dtype != dtype:
            out = np.empty([hi - lo for lo, hi in zip(lower, upper, strict=True)], dtype)
        if len(chunks) < _PARALLEL_FROM or not self._store.compressed:
            wider = self._put(out, chunks, lower, upper)
        else:
            # A slice of the list each: one task a chunk would cost more than it gains.
            parts = [chunks[at::_READERS] for at in range(_READERS)]
            into = out
            with ThreadPoolExecutor(_READERS) as pool:
                wider = any(list(pool.map(lambda part: self._put(into, part, lower, upper), parts)))
        if wider:
            # Labels were widened between asking for the type and reading.
            return self._joined(chunks, lower, upper, None)
        return out

    def _put(self, out: np.ndarray, chunks: list[Corner], lower: Corner, upper: Corner) -> bool:
        """Copy the share of some chunks in a box; return whether one's type is too wide for that."""
        store, (dz, dy, dx) = self._store, CHUNK
        buffer = np.empty(CHUNK, out.dtype)
        for chunk in chunks:
            voxels = store.read(chunk, buffer=buffer)
            if voxels.itemsize > out.itemsize:
                return True
            z, y, x = chunk[0] * dz, chunk[1] * dy, chunk[2] * dx
            z0, y0, x0 = max(z, lower[0]), max(y, lower[1]), max(x, lower[2])
            z1, y1, x1 = min(z + dz, upper[0]), min(y + dy, upper[1]), min(x + dx, upper[2])
            share = voxels[z0 - z : z1 - z, y0 - y : y1 - y, x0 - x : x1 - x]
            z, y, x = lower
            out[z0 - z : z1 - z, y0 - y : y1 - y, x0 - x : x1 - x] = share
        return False

    def _readable(self, chunk: Corner) -> bool:
        try:
            self._store.read(chunk)
        except DamagedChunkError:
            return False
        return True

    def _is_there(self, chunk: Corner) -> bool:
        if not self._store.has(chunk):
            return False
        if not self._cache.verifies or self._store.is_whole(chunk):
            self._seen.add(chunk)
            return True
        logger.warning("the chunk %s is damaged; it is fetched again", self._store.chunk_path(chunk))
        return False

    def _fill(self, chunks: list[Corner], *, progress: Callable[[int, int], None] | None = None) -> None:
        # What has been seen need not be looked for again: if it is removed, reading it will tell.
        unseen = chunks if self._cache.verifies else [chunk for chunk in chunks if chunk not in self._seen]
        missing = [chunk for chunk in unseen if not self._is_there(chunk)]
        if not missing:
            return
        if self._cache.offline:
            raise self._missing(missing)
        self._cache.make_room(len(missing) * int(np.prod(CHUNK)) * self.dtype.itemsize)
        if self._source is None:
            self._source = self._opener()
        source = self._source
        done = 0

        def counted(_: Any) -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, len(missing))

        # First those that nobody else is fetching; then wait for the others to have fetched theirs.
        taken = self._each(source, missing, wait_s=0.0, counted=counted)
        self._each(source, taken, wait_s=-1.0, counted=counted)

    def _each(
        self, source: Source, chunks: list[Corner], *, wait_s: float, counted: Callable[[Any], None]
    ) -> list[Corner]:
        """Fetch chunks in threads; return those that another process holds beyond the wait."""
        taken: list[Corner] = []

        def filled(chunk: Corner) -> None:
            try:
                with self._store.claimed(chunk, wait_s=wait_s):
                    if not self._is_there(chunk):
                        fetch = getattr(source, "fetch", source.read)
                        self._store.write(chunk, fetch(*self._store.box_of(chunk)))
            except Timeout:
                taken.append(chunk)
            else:
                counted(chunk)

        if not chunks:
            return taken
        pool = ThreadPoolExecutor(min(len(chunks), int(getattr(source, "parallel", 1))))
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
            f"offline, and {len(chunks)} chunks of {self._store.uri} are missing: {names}{more} (z.y.x)"
        )
