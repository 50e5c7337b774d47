"""The file of one chunk: the bare voxels of an image, or labels packed with Zstandard."""

import io
import math
import os
from collections.abc import Iterable
from itertools import product
from typing import Any

import numpy as np

from mtneuro_data.box import Box, Corner

CHUNK = (32, 128, 128)
"""Voxels of a chunk, ``(z, y, x)``.

Two of the database's own blocks deep. The paper's cubes lie anywhere on the grid, so a 256-voxel face
touches three by three chunks of 128, 2.25 times its pixels; of chunks of 256 it would touch two by two,
four times its pixels. Smaller chunks touch less and yet read slower: opening a file then costs more
than its voxels.
"""

ORDER = (1, 0, 2)
"""Axes of an image's chunk as they lie in its file: rows, then slices, then columns. So the rows that a
box wants of a chunk are one piece of the file, and of a chunk at its edge no more is read."""

LEVEL = 9
"""Zstandard's level for labels: smaller and up to five times faster to unpack than what level 1 packs, and
still packed faster than they arrive."""


def chunks_of(boxes: Iterable[Box], /) -> list[Corner]:
    """Return the grid places of the chunks that half-open boxes touch, each once."""
    places = (
        product(
            *(
                range(lo // size, -(-hi // size))
                for lo, hi, size in zip(box.lower, box.upper, CHUNK, strict=True)
            )
        )
        for box in boxes
    )
    return list(dict.fromkeys((z, y, x) for some in places for z, y, x in some))


class DamagedChunkError(OSError):
    """A chunk whose file is not what was written; fetching it again mends it."""


class ChunkReader:
    """Reads chunks one after another into one buffer: one reader for each thread.

    Parameters
    ----------
    folder
        Where the chunks lie, as ``<z>/<y>/<x>``.
    dtype
        Type of the voxels.
    compressed
        Whether they are packed.
    """

    def __init__(self, folder: str, dtype: np.dtype[Any], *, compressed: bool) -> None:
        self._folder = folder
        self._compressed = compressed
        self._buffer = np.empty(CHUNK if compressed else [CHUNK[axis] for axis in ORDER], dtype)
        self._bytes = self._buffer.reshape(-1).view(np.uint8).data
        self._row = self._buffer.strides[0]

    def voxels(self, chunk: Corner, layers: slice, rows: slice, /) -> np.ndarray:
        """Return some slices and rows of a chunk, ``(z, y, x)``; they last until the next call.

        Labels come in the type that the file holds, which may be another than the reader's.

        Raises
        ------
        DamagedChunkError
            If its file is missing or of the wrong size.
        """
        z, y, x = chunk
        # Plain strings, for a cube has hundreds of chunks and pathlib costs more than the voxels; read
        # into a buffer that stays in the processor's cache, for mapping costs a fault a page.
        path = f"{self._folder}/{z}/{y}/{x}"
        try:
            with io.FileIO(path) as file:
                if self._compressed:
                    return _unpacked(file.readall(), self._buffer)[layers, rows]
                return self._raw(file, rows)[layers]
        except (FileNotFoundError, ValueError, RuntimeError) as error:
            raise DamagedChunkError(
                f"the chunk {path} is damaged: {error}; mtneuro-data cache verify finds all"
            ) from error

    def _raw(self, file: io.FileIO, rows: slice) -> np.ndarray:
        size = file.seek(0, os.SEEK_END)
        if size != self._buffer.nbytes:
            raise ValueError(f"it holds {size} bytes")
        file.seek(rows.start * self._row)
        n_rows = rows.stop - rows.start
        if file.readinto(self._bytes[: n_rows * self._row]) != n_rows * self._row:
            raise ValueError("it ended early")
        # The order swaps two axes, so that it is its own inverse.
        return self._buffer[:n_rows].transpose(ORDER)


def raw(voxels: np.ndarray, /) -> bytes:
    """Return the voxels of an image's chunk as its file holds them."""
    return voxels.transpose(ORDER).tobytes()


def packed(voxels: np.ndarray, /) -> bytes:
    """Return labels as a Zstandard frame."""
    from numcodecs.zstd import compress

    return bytes(compress(np.ascontiguousarray(voxels, voxels.dtype.newbyteorder("<")), LEVEL))


def _unpacked(content: bytes, buffer: np.ndarray) -> np.ndarray:
    from numcodecs.zstd import decompress

    if _frame_size(content) == buffer.nbytes:
        decompress(content, buffer)
        return buffer
    raw = bytes(decompress(content))
    size, rest = divmod(len(raw), math.prod(CHUNK))
    if rest or size not in (1, 2, 4, 8):
        raise ValueError(f"it holds {len(raw)} bytes")
    return np.frombuffer(raw, f"<u{size}").reshape(CHUNK)


def _frame_size(content: bytes) -> int | None:
    """Return the decoded size that a Zstandard frame (RFC 8878) states, or ``None`` if it does not."""
    if len(content) < 14:
        return None
    descriptor = content[4]
    # The dictionary's number and the window may stand before the size.
    start = 5 + (0, 1, 2, 4)[descriptor & 3] + (0 if descriptor & 0x20 else 1)
    width = (1 if descriptor & 0x20 else 0, 2, 4, 8)[descriptor >> 6]
    size = int.from_bytes(content[start : start + width], "little")
    return None if width == 0 else size + (256 if width == 2 else 0)
