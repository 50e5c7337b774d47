"""The cache: a folder of chunks of remote volumes, shared by every task and process."""

import contextlib
import math
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from mtneuro_data._shared.files import is_temporary
from mtneuro_data.box import Box, Corner
from mtneuro_data.cache.chunk import CHUNK, chunks_of
from mtneuro_data.cache.policy import Policy
from mtneuro_data.cache.source import CachedSource
from mtneuro_data.cache.store import CACHE_VERSION, ChunkStore
from mtneuro_data.sources import locate
from mtneuro_data.sources.base import Location, Progress

if TYPE_CHECKING:
    from mtneuro_data.sources.boss import BossServer


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """One channel at one level of a cache."""

    uri: str
    """The volume that the voxels come from."""

    folder: Path
    """The folder in the cache."""

    shape: Corner
    """Voxels of the whole volume, ``(z, y, x)``."""

    dtype: str
    """Type of the cached voxels."""

    chunks: int
    """Number of filled chunks."""

    n_bytes: int
    """Size on disk in bytes, including boxes that are kept whole."""


class Cache:
    """A folder that keeps chunks of volumes; any number of tasks and processes share it.

    Below the root lie ``v2/<host>/<collection>/<experiment>/<channel>/<level>/``, each with a Zarr v3
    array ``volume.zarr``, the digests ``chunks.sha256/``, ``cache.json``, and in ``cutouts/`` the cubes
    of images that `load` reads, as ``.npy`` files. Chunks lie on a fixed grid of the volume, so that
    overlapping cubes of any task share them. Each is written to a temporary file and then renamed, so that
    any number of processes may fill one cache.

    Parameters
    ----------
    root
        The cache's folder; by default that of the variable ``MTNEURO_CACHE``, else the user's cache folder.
    offline
        Never contact the source; a missing chunk is an error that names it.
    verify
        Hash every chunk that is read, and fetch a damaged one again. By default a read only checks that the
        chunk exists and has the right size, because hashing takes longer than reading.
    limit_bytes
        Largest size of the cache; the oldest chunks are deleted to stay below it. A box that needs more
        than that is refused.

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

    def __init__(
        self,
        root: str | Path | None = None,
        *,
        offline: bool = False,
        verify: bool = False,
        limit_bytes: int | None = None,
    ) -> None:
        if root is None:
            root = os.environ.get("MTNEURO_CACHE") or platformdirs.user_cache_path("mtneuro")
        self.root = Path(root).expanduser().absolute()
        self.policy = Policy(offline=offline, verify=verify, limit_bytes=limit_bytes)
        if self.root.exists() and not self.root.is_dir():
            raise NotADirectoryError(f"a cache must be a folder, got the file {self.root}")

    def __repr__(self) -> str:
        return f"Cache({str(self.root)!r})"

    def open_source(self, location: Location, /) -> CachedSource:
        """Open a volume through this cache; the volume itself is opened only if needed.

        Parameters
        ----------
        location
            Where the volume is stored, and its name in the cache.

        Raises
        ------
        FileNotFoundError
            If the cache is offline and holds nothing of this volume.
        ValueError
            If the volume cannot be cached, or the cache is of another version.
        """
        folder = self._folder(location)
        opened = None
        if (folder / "cache.json").is_file():
            store = ChunkStore(folder)
        else:
            self._refuse_older(location)
            if self.policy.offline:
                raise FileNotFoundError(
                    f"offline, and the cache at {self.root} holds nothing of {location.uri}; "
                    "read it once without offline"
                )
            opened = location.open()
            store = ChunkStore.create(
                folder,
                uri=location.uri,
                shape=opened.shape,
                dtype=opened.dtype,
                voxel_size_um=opened.voxel_size_um,
                kind=opened.kind,
                offset=opened.offset,
            )
        return CachedSource(store, location.open, policy=self.policy, make_room=self.make_room, opened=opened)

    def _folder(self, location: Location, version: str = f"v{CACHE_VERSION}") -> Path:
        if location.cache_key is None:
            raise ValueError(f"{location.uri} is read directly and cannot be cached")
        return self.root.joinpath(version, *(_safe(str(part)) for part in location.cache_key))

    def missing_voxels(
        self, uri: str, boxes: Iterable[Box | tuple[Corner, Corner]], *, server: "BossServer | None" = None
    ) -> int:
        """Return how many voxels would have to be fetched for some boxes; the source is not contacted.

        Parameters
        ----------
        uri
            The volume, as for `mtneuro_data.open_volume`.
        boxes
            Half-open boxes, ``lower`` and ``upper``. Chunks are fetched whole, and each once.
        server
            The database, for ``bossdb://``.

        Examples
        --------
        >>> import tempfile
        >>> from mtneuro_data import open_volume
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     cache, box = Cache(folder), ((0, 0, 0), (1, 8, 200))
        ...     before = cache.missing_voxels("phantom://image?shape=32,128,256", [box])
        ...     voxels = open_volume("phantom://image?shape=32,128,256", cache=cache).read(*box)
        ...     before, cache.missing_voxels("phantom://image?shape=32,128,256", [box])
        (1048576, 0)
        """
        location = locate(uri, server=server)
        if location.cache_key is None:
            return 0
        wanted = [Box(lower, upper) for lower, upper in boxes]
        try:
            source = Cache(self.root, offline=True).open_source(location)
        except FileNotFoundError:
            return len(chunks_of(wanted)) * math.prod(CHUNK)
        return len(source.missing(wanted)) * math.prod(CHUNK)

    def _refuse_older(self, location: Location) -> None:
        """Raise if another version of this program has cached a volume, rather than cache it twice."""
        for version in self.root.glob("v[0-9]*"):
            folder = self._folder(location, version.name)
            if version.name != f"v{CACHE_VERSION}" and (folder / "cache.json").is_file():
                ChunkStore(folder)

    def make_room(self, n_bytes: int, /) -> None:
        """Delete the oldest chunks until this many more bytes fit below the limit.

        Parameters
        ----------
        n_bytes
            Bytes about to be written.

        Raises
        ------
        ValueError
            If the limit is smaller than what is needed.
        """
        limit = self.policy.limit_bytes
        if limit is None:
            return
        if n_bytes > limit:
            raise ValueError(
                f"a box needs {n_bytes:,} bytes of the cache, limit_bytes is {limit:,}; "
                "raise it or read in smaller boxes"
            )
        aged: list[tuple[float, int, ChunkStore, Corner]] = []
        for store in self._stores():
            store.cutouts.clear()
            for chunk in store.filled():
                with contextlib.suppress(FileNotFoundError):
                    size = store.chunk_path(chunk).stat().st_size
                    age = store.digest_path(chunk).stat().st_mtime
                    aged.append((age, size, store, chunk))
        total = sum(size for _, size, _, _ in aged)
        for _, size, store, chunk in sorted(aged, key=lambda item: item[0]):
            if total + n_bytes <= limit:
                return
            store.forget(chunk)
            total -= size

    def entries(self) -> tuple[CacheEntry, ...]:
        """Return the channels that the cache holds, sorted by URI.

        Raises
        ------
        ValueError
            If an entry is of another version.
        """
        entries: list[CacheEntry] = []
        for store in self._stores():
            chunks = store.filled()
            sizes = (path.stat().st_size for path in map(store.chunk_path, chunks) if path.exists())
            entries.append(
                CacheEntry(
                    uri=store.uri,
                    folder=store.folder,
                    shape=store.shape,
                    dtype=store.dtype.name,
                    chunks=len(chunks),
                    n_bytes=store.cutouts.n_bytes + sum(sizes),
                )
            )
        return tuple(sorted(entries, key=lambda entry: entry.uri))

    def verify(self, *, progress: Progress | None = None) -> tuple[Path, ...]:
        """Hash every chunk and every box kept whole, and delete damaged ones, so that they are fetched again.

        Files that killed processes left half-written are deleted too.

        Returns
        -------
        damaged
            Paths of the damaged files.
        """
        stores = list(self._stores())
        for store in stores:
            store.sweep()
        chunks = [(store, chunk) for store in stores for chunk in store.filled()]
        damaged: list[Path] = []
        for done, (store, chunk) in enumerate(chunks, start=1):
            if not store.is_whole(chunk):
                damaged.append(store.chunk_path(chunk))
                store.forget(chunk)
            if progress is not None:
                progress(done, len(chunks))
        return (*damaged, *(path for store in stores for path in store.cutouts.drop_damaged()))

    def clear(self, uri: str | None = None) -> int:
        """Remove everything, or the channel of one URI; return the number of entries removed.

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
        for path in sorted(self.root.glob("v[0-9]*/*/*/*/*/*/cache.json")):
            # A process that is making a store, or was killed at it, has one beside the store's place.
            if not is_temporary(path.parent.name):
                yield path

    def _stores(self) -> Iterator[ChunkStore]:
        for path in self._descriptions():
            yield ChunkStore(path.parent)


def _safe(part: str) -> str:
    """Return a folder's name for a part of the key; not every system allows the colon of a port."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", part)
    if name in ("", ".", ".."):
        raise ValueError(f"a part of a cache's path must be a name, got {part!r}")
    return name
