"""The chunks of one channel at one level on disk: a sparse Zarr array, filled and checked chunk by chunk."""

import contextlib
import hashlib
import json
import os
import shutil
import stat
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from mtneuro_data._shared.files import (
    is_temporary,
    name_beside,
    remove,
    remove_abandoned,
    synchronise,
    written_beside,
)
from mtneuro_data.box import Box, Corner
from mtneuro_data.cache.chunk import CHUNK, LEVEL, ORDER, ChunkReader, DamagedChunkError, packed, raw
from mtneuro_data.cache.cutouts import Cutouts, is_whole
from mtneuro_data.sources.base import Kind

CACHE_VERSION = 2

_LOCKS = 509


class ChunkStore:
    """The files of one channel at one level.

    ``volume.zarr`` is a Zarr v3 array that any reader opens: uncompressed ``uint8`` for images, Zstandard for
    labels, which have the smallest unsigned type that holds those seen so far. A chunk counts as filled
    once its digest exists: ``chunks.sha256/<z>.<y>.<x>``, the SHA-256 of the chunk's file, written
    after it. ``cutouts`` holds boxes of images that are kept whole. ``cache.json`` describes the
    source.

    Parameters
    ----------
    folder
        A folder that `create` made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        about = _described(folder)
        self.uri: str = about["uri"]
        self.shape: Corner = tuple(about["shape"])
        self.source_dtype: np.dtype[Any] = np.dtype(about["dtype"])
        size = about["voxel_size_um"]
        self.voxel_size_um: tuple[float, float, float] | None = None if size is None else tuple(size)
        self.kind: Kind | None = about.get("kind")
        z, y, x = about.get("offset", (0, 0, 0))
        self.offset: Corner = (z, y, x)
        self._thread_lock = threading.Lock()
        self._chunks = str(folder / "volume.zarr" / "c")
        self._digests = str(folder / "chunks.sha256")
        self.cutouts = Cutouts(folder / "cutouts", self.source_dtype)

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        uri: str,
        shape: Corner,
        dtype: np.dtype[Any],
        voxel_size_um: tuple[float, float, float] | None,
        kind: Kind | None = None,
        offset: Corner = (0, 0, 0),
    ) -> "ChunkStore":
        """Create an empty store, completely or not at all, unless another process creates it first."""
        import zarr
        from zarr.codecs import TransposeCodec, ZstdCodec

        beside = name_beside(folder)
        labels = dtype.itemsize > 1
        try:
            beside.mkdir(parents=True)
            zarr.create_array(
                str(beside / "volume.zarr"),
                shape=shape,
                chunks=CHUNK,
                dtype="uint8" if _narrows(dtype, kind) else dtype,
                filters=None if labels else TransposeCodec(order=ORDER),
                compressors=ZstdCodec(level=LEVEL) if labels else None,
                fill_value=0,
                dimension_names=("z", "y", "x"),
                attributes={} if voxel_size_um is None else {"voxel_size_um": list(voxel_size_um)},
                zarr_format=3,
            )
            (beside / "chunks.sha256").mkdir()
            about = {
                "cache_version": CACHE_VERSION,
                "uri": uri,
                "shape": list(shape),
                "dtype": dtype.name,
                "voxel_size_um": None if voxel_size_um is None else list(voxel_size_um),
                "kind": kind,
                "offset": list(offset),
            }
            (beside / "cache.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
            for path in [*beside.rglob("*"), beside]:
                synchronise(path)
            with contextlib.suppress(OSError):
                # Fails if another process has created the store first; then that one is used.
                os.replace(beside, folder)  # noqa: PTH105
        except OSError as error:
            raise _unwritable(folder, error) from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return cls(folder)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Present type of the cached voxels; labels may need a wider one later."""
        if not self.compressed:
            return self.source_dtype
        about = json.loads((self.folder / "volume.zarr" / "zarr.json").read_text("utf-8"))
        return np.dtype(about["data_type"])

    @property
    def compressed(self) -> bool:
        """Whether the chunks are compressed: all but those of bytes."""
        return self.source_dtype.itemsize > 1

    def box_of(self, chunk: Corner) -> Box:
        """Return a chunk's box, cut at the volume's end."""
        z, y, x = (place * size for place, size in zip(chunk, CHUNK, strict=True))
        ends = (z + CHUNK[0], y + CHUNK[1], x + CHUNK[2])
        end_z, end_y, end_x = map(min, ends, self.shape)
        return Box((z, y, x), (end_z, end_y, end_x))

    def has(self, chunk: Corner) -> bool:
        """Return whether a chunk has been filled."""
        z, y, x = chunk
        return os.path.exists(f"{self._digests}/{z}.{y}.{x}")  # noqa: PTH110 - faster than pathlib

    def filled(self) -> list[Corner]:
        """Return the grid positions of all filled chunks, sorted."""
        places: list[Corner] = []
        for path in (self.folder / "chunks.sha256").iterdir():
            parts = path.name.split(".")
            if len(parts) == 3 and all(part.isdecimal() for part in parts):
                places.append((int(parts[0]), int(parts[1]), int(parts[2])))
        return sorted(places)

    def chunk_path(self, chunk: Corner) -> Path:
        """Return the path of a chunk's file."""
        return self.folder.joinpath("volume.zarr", "c", *map(str, chunk))

    def digest_path(self, chunk: Corner) -> Path:
        """Return the path of a chunk's digest."""
        return self.folder / "chunks.sha256" / ".".join(map(str, chunk))

    def write(self, chunk: Corner, voxels: np.ndarray) -> None:
        """Store the voxels of one chunk, given without padding at the volume's end."""
        try:
            needed = self.source_dtype
            if _narrows(needed, self.kind):
                needed = np.min_scalar_type(int(voxels.max(initial=0)))
            if needed.itemsize > self.dtype.itemsize:
                self._widen(needed)
            dtype = self.dtype
            self._put(chunk, voxels, dtype)
            while self.dtype != dtype:
                # Another process has widened the type meanwhile.
                dtype = self.dtype
                self._put(chunk, voxels, dtype)
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def reader(self, dtype: np.dtype[Any], /) -> ChunkReader:
        """Return a reader of filled chunks for one thread; it is fastest for chunks of the given type."""
        return ChunkReader(self._chunks, dtype, compressed=self.compressed)

    def whole(self, chunk: Corner, /) -> np.ndarray:
        """Return all voxels of a filled chunk, padded to its full size.

        Raises
        ------
        DamagedChunkError
            If its file is missing or of the wrong size.
        """
        return self.reader(self.dtype).voxels(chunk, slice(0, CHUNK[0]), slice(0, CHUNK[1]))

    def is_whole(self, chunk: Corner) -> bool:
        """Return whether a filled chunk's file still has the digest taken when it was filled."""
        return is_whole(self.chunk_path(chunk), self.digest_path(chunk))

    def forget(self, chunk: Corner) -> None:
        """Delete a chunk, so that it is fetched again."""
        self.digest_path(chunk).unlink(missing_ok=True)
        self.chunk_path(chunk).unlink(missing_ok=True)

    @contextlib.contextmanager
    def claimed(self, chunk: Corner, *, wait_s: float) -> Generator[None]:
        """Hold a lock that one process at a time holds for a chunk; killing the process frees it.

        Parameters
        ----------
        chunk
            The chunk's grid place.
        wait_s
            How long to wait for the lock, in seconds; for ever if negative.

        Raises
        ------
        filelock.Timeout
            If another process holds it for longer.
        OSError
            If the cache cannot be written.
        """
        # A limited number of files rather than one for each chunk; chunks that share one wait for each other.
        z, y, x = chunk
        locks = self.folder / ".locks"
        try:
            locks.mkdir(exist_ok=True)
            path = locks / f"{(z * 31 + y * 7 + x) % _LOCKS:03}"
            lock = FileLock(str(path), timeout=wait_s, mode=_file_mode(locks), poll_interval=0.02)
            lock.acquire()
        except Timeout:
            raise
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        try:
            yield
        finally:
            lock.release()

    def sweep(self, *, older_than_s: float = 3600) -> None:
        """Remove temporary files that killed processes left behind."""
        before = time.time() - older_than_s
        # Beside the folder too, where it was being made.
        inside = self.folder.parent
        for folder in [inside, *(path for path in inside.rglob("*") if path.is_dir())]:
            if folder.is_dir():
                remove_abandoned(folder)
        # Whether another machine's processes live, their files' age must tell.
        for path in list(inside.rglob(".*-*")):
            with contextlib.suppress(FileNotFoundError):
                if is_temporary(path.name) and path.stat().st_mtime < before:
                    remove(path)

    def _put(self, chunk: Corner, voxels: np.ndarray, dtype: np.dtype[Any]) -> None:
        full = np.zeros(CHUNK, dtype)
        full[tuple(slice(size) for size in voxels.shape)] = voxels
        content = packed(full) if self.compressed else raw(full)
        # Only the voxels must be on the disk before their name is: where a loss of power takes a name or a
        # digest, the chunk is fetched again, and waiting for these as well takes three times as long.
        with written_beside(self.chunk_path(chunk), durable=False) as beside:
            beside.write_bytes(content)
            synchronise(beside)
        with written_beside(self.digest_path(chunk), durable=False) as beside:
            beside.write_text(hashlib.sha256(content).hexdigest() + "\n", "ascii")

    def _widen(self, dtype: np.dtype[Any]) -> None:
        """Convert all chunks to a wider type.

        The description is written first: a chunk's type follows from its length, so that a process killed
        in between leaves nothing that cannot be read.
        """
        with self._thread_lock, FileLock(str(self.folder / ".widening.lock"), mode=_file_mode(self.folder)):
            if dtype.itemsize <= self.dtype.itemsize:
                return
            path = self.folder / "volume.zarr" / "zarr.json"
            about = json.loads(path.read_text("utf-8"))
            about["data_type"] = dtype.name
            for codec in about["codecs"]:
                if codec["name"] == "bytes":
                    codec["configuration"] = {"endian": "little"}
            with written_beside(path) as beside:
                beside.write_text(json.dumps(about, indent=2), "utf-8")
            for chunk in self.filled():
                with contextlib.suppress(DamagedChunkError):
                    self.write(chunk, self.whole(chunk).astype(dtype))


def _described(folder: Path) -> dict[str, Any]:
    path = folder / "cache.json"
    try:
        about = json.loads(path.read_text("utf-8"))
        version = about["cache_version"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} does not describe a cache; remove {folder} to fetch it again") from None
    if version != CACHE_VERSION:
        raise ValueError(
            f"the cache at {folder} has version {version}, this program reads {CACHE_VERSION}; "
            "remove it with: mtneuro-data cache clear, or set MTNEURO_CACHE to another folder"
        )
    return about


def _file_mode(folder: Path) -> int:
    """Return the mode of a lock that whoever may write in its folder may take."""
    return stat.S_IMODE(folder.stat().st_mode) & 0o666


def _narrows(source: np.dtype[Any], kind: Kind | None) -> bool:
    """Return whether voxels have the smallest unsigned type that holds those seen: labels, not an image."""
    return source.kind == "u" and kind != "image"


def _unwritable(folder: Path, error: OSError) -> OSError:
    if isinstance(error, DamagedChunkError):
        return error
    reason = error.strerror or str(error)
    remedy = "free space"
    if isinstance(error, PermissionError):
        remedy = "share it (chgrp -R GROUP, chmod -R g+rwXs, and umask 002 for every user)"
    return type(error)(
        error.errno,
        f"cannot write the cache at {folder}: {reason}; {remedy} or set MTNEURO_CACHE to another folder",
    )
