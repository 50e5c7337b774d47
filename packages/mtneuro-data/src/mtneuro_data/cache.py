"""Chunks of remote volumes, kept on disk and shared by every task and process."""

import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from mtneuro_data.chunk_store import CACHE_VERSION, ChunkStore, DamagedChunkError
from mtneuro_data.volume import Corner, Source

__all__ = ["Cache", "CacheEntry", "CachedSource"]

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """One channel at one level of a cache."""

    uri: str
    """Where its voxels come from."""

    folder: Path
    """Where they are kept."""

    shape: Corner
    """Voxels of the whole volume, ``(z, y, x)``."""

    dtype: str
    """Type of the voxels as kept."""

    chunks: int
    """Chunks that are filled."""

    n_bytes: int
    """Bytes that they take."""


class Cache:
    """A folder that keeps chunks of volumes: sparse, shared, checked.

    Below the root lie ``v1/<host>/<collection>/<experiment>/<channel>/<level>/``, each with a Zarr v3
    array ``volume.zarr``, the digests ``chunks.sha256/`` and ``cache.json``. Chunks are laid on the
    volume's own grid, so overlapping cubes of any task share them, and written beside and renamed, so
    any number of processes may fill one cache.

    Parameters
    ----------
    root
        Its folder; by default what the variable ``MTNEURO_CACHE`` says, or the user's cache folder.
    offline
        Never ask the source; a missing chunk is an error that names it.

    Examples
    --------
    >>> import tempfile
    >>> from mtneuro_data import open_volume
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     volume = open_volume("phantom://pixel_labels?shape=16,64,64", cache=Cache(folder))
    ...     voxels = volume[0:1, 0:8, 0:8]
    ...     [entry.chunks for entry in Cache(folder).entries()]
    [1]
    """

    def __init__(self, root: str | Path | None = None, *, offline: bool = False) -> None:
        if root is None:
            root = os.environ.get("MTNEURO_CACHE") or platformdirs.user_cache_path("mtneuro")
        self.root = Path(root).expanduser().absolute()
        self.offline = offline
        if self.root.exists() and not self.root.is_dir():
            raise NotADirectoryError(f"a cache must be a folder, got the file {self.root}")

    def __repr__(self) -> str:
        return f"Cache({str(self.root)!r})"

    def source(
        self, key: tuple[str, str, str, str, int], uri: str, opener: Callable[[], Source], /
    ) -> "CachedSource":
        """Return a source that reads through this cache.

        Parameters
        ----------
        key
            Host, collection, experiment, channel and level.
        uri
            The volume's URI, for messages and for `entries`.
        opener
            Opens the volume itself; not called while everything asked for is in the cache.

        Raises
        ------
        FileNotFoundError
            If the cache is offline and knows nothing of this volume.
        ValueError
            If the cache is of another version.
        """
        folder = self.root.joinpath(f"v{CACHE_VERSION}", *(_safe(str(part)) for part in key))
        if (folder / "cache.json").is_file():
            return CachedSource(ChunkStore(folder), opener, offline=self.offline)
        if self.offline:
            raise FileNotFoundError(f"offline, and the cache at {self.root} holds nothing of {uri}")
        source = opener()
        store = ChunkStore.create(
            folder, uri=uri, shape=source.shape, dtype=source.dtype, voxel_size_um=source.voxel_size_um
        )
        return CachedSource(store, opener, offline=False, opened=source)

    def entries(self) -> tuple[CacheEntry, ...]:
        """Return what the cache holds, by URI.

        Raises
        ------
        ValueError
            If an entry is of another version.
        """
        entries: list[CacheEntry] = []
        for store in self._stores():
            chunks = store.filled()
            n_bytes = 0
            for chunk in chunks:
                path = store.chunk_path(chunk)
                n_bytes += path.stat().st_size if path.exists() else 0
            entries.append(
                CacheEntry(
                    uri=store.uri,
                    folder=store.folder,
                    shape=store.shape,
                    dtype=store.dtype.name,
                    chunks=len(chunks),
                    n_bytes=n_bytes,
                )
            )
        return tuple(sorted(entries, key=lambda entry: entry.uri))

    def verify(self, *, progress: Progress | None = None) -> tuple[Path, ...]:
        """Hash every chunk; drop those that are damaged, so that they are fetched again.

        Returns
        -------
        damaged
            The files that were not what was written.
        """
        chunks = [(store, chunk) for store in self._stores() for chunk in store.filled()]
        damaged: list[Path] = []
        for done, (store, chunk) in enumerate(chunks, start=1):
            if not store.is_whole(chunk):
                damaged.append(store.chunk_path(chunk))
                store.forget(chunk)
            if progress is not None:
                progress(done, len(chunks))
        return tuple(damaged)

    def clear(self, uri: str | None = None) -> int:
        """Remove everything, or what comes from one URI; return the number of entries removed.

        Entries of another version are removed too where no URI is named.

        Raises
        ------
        ValueError
            If the cache holds nothing of that URI.
        """
        if uri is None:
            folders = [path.parent for path in self._descriptions()]
            for version in self.root.glob("v[0-9]*"):
                shutil.rmtree(version)
            return len(folders)
        folders = [entry.folder for entry in self.entries() if entry.uri == uri]
        if not folders:
            held = ", ".join(entry.uri for entry in self.entries()) or "nothing"
            raise ValueError(f"the cache holds nothing of {uri}; it holds {held}")
        for folder in folders:
            shutil.rmtree(folder)
        return len(folders)

    def _descriptions(self) -> Iterator[Path]:
        yield from sorted(self.root.glob("v[0-9]*/*/*/*/*/*/cache.json"))

    def _stores(self) -> Iterator[ChunkStore]:
        for path in self._descriptions():
            yield ChunkStore(path.parent)


class CachedSource:
    """A volume read through a cache: chunks that are there are read, others fetched and kept."""

    def __init__(
        self, store: ChunkStore, opener: Callable[[], Source], *, offline: bool, opened: Source | None = None
    ) -> None:
        self._store = store
        self._opener = opener
        self._offline = offline
        self._source = opened
        self.shape = store.shape
        self.voxel_size_um = store.voxel_size_um

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels as kept: labels as the smallest type that holds those seen so far."""
        return self._store.dtype

    def read(self, lower: Corner, upper: Corner, /) -> np.ndarray:
        """Return the voxels of a half-open box, fetching what is missing.

        Raises
        ------
        FileNotFoundError
            If the cache is offline and chunks are missing.
        """
        chunks = list(self._store.chunks_of(lower, upper))
        self._fill([chunk for chunk in chunks if not self._store.has(chunk)])
        try:
            return self._joined(chunks, lower, upper)
        except DamagedChunkError as error:
            if self._offline:
                raise
            logger.warning("%s; it is fetched again", error)
            self._fill([chunk for chunk in chunks if not self._readable(chunk)])
            return self._joined(chunks, lower, upper)

    def _joined(self, chunks: list[Corner], lower: Corner, upper: Corner) -> np.ndarray:
        out = np.empty([hi - lo for lo, hi in zip(lower, upper, strict=True)], self._store.dtype)
        for chunk in chunks:
            start, stop = self._store.box_of(chunk)
            voxels = self._store.read(chunk)
            if voxels.itemsize > out.itemsize:
                out = out.astype(voxels.dtype)
            low = [max(a, b) for a, b in zip(start, lower, strict=True)]
            high = [min(a, b) for a, b in zip(stop, upper, strict=True)]
            into = tuple(slice(a - o, b - o) for a, b, o in zip(low, high, lower, strict=True))
            of = tuple(slice(a - o, b - o) for a, b, o in zip(low, high, start, strict=True))
            out[into] = voxels[of]
        return out

    def _readable(self, chunk: Corner) -> bool:
        try:
            self._store.read(chunk)
        except DamagedChunkError:
            return False
        return True

    def _fill(self, missing: list[Corner]) -> None:
        if not missing:
            return
        if self._offline:
            names = ", ".join(".".join(map(str, chunk)) for chunk in missing[:8])
            more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
            raise FileNotFoundError(
                f"offline, and {len(missing)} chunks of {self._store.uri} are missing: {names}{more} (z.y.x)"
            )
        if self._source is None:
            self._source = self._opener()
        source = self._source
        fetch = getattr(source, "fetch", source.read)

        def filled(chunk: Corner) -> None:
            self._store.write(chunk, fetch(*self._store.box_of(chunk)))

        threads = min(len(missing), int(getattr(source, "parallel", 1)))
        pool = ThreadPoolExecutor(threads)
        try:
            futures = [pool.submit(filled, chunk) for chunk in missing]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _safe(part: str) -> str:
    """Return a folder's name for a part of the key; a port's colon is not allowed everywhere."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", part)
    if name in ("", ".", ".."):
        raise ValueError(f"a part of a cache's path must be a name, got {part!r}")
    return name
