"""The file of one chunk: raw voxels of an image, or labels compressed with Zstandard."""

import io
import math
import os
from collections.abc import Iterable
from itertools import product
from typing import Any

import numpy as np

from mtneuro_data._shared.words import one_line
from mtneuro_data.box import Box, Corner

CHUNK = (32, 128, 128)
"""Voxels of a chunk, ``(z, y, x)``.

A chunk is as deep as two of the database's own blocks. The paper's cubes are not aligned with the grid, so
a face of 256 by 256 pixels touches three by three chunks of 128, which hold 2.25 times its pixels; with
chunks of 256 it would touch two by two, which hold four times its pixels. Smaller chunks hold fewer unneeded
voxels but are slower to read, because opening a file then takes longer than reading it.
"""

ORDER = (1, 0, 2)
"""Order of the axes in an image chunk's file: rows, slices, columns. The rows that a box needs are then one
contiguous piece of the file, so that nothing else is read."""

LEVEL = 9
"""Compression level for labels. The files are smaller and decompress up to five times faster than at level 1,
and compressing is still faster than downloading."""


def chunks_of(boxes: Iterable[Box], /) -> list[Corner]:
    """Return the grid positions of the chunks that half-open boxes touch, each once."""
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
    """A chunk whose file is missing or damaged; fetching it again repairs it."""


class ChunkReader:
    """Reads chunks one after another into one buffer; each thread needs a reader of its own.

    Parameters
    ----------
    folder
        Where the chunks lie, as ``<z>/<y>/<x>``.
    dtype
        Type of the voxels.
    compressed
        Whether they are compressed.
    """

    def __init__(self, folder: str, dtype: np.dtype[Any], *, compressed: bool) -> None:
        self._folder = folder
        self._compressed = compressed
        self._buffer = np.empty(CHUNK if compressed else [CHUNK[axis] for axis in ORDER], dtype)
        self._bytes = self._buffer.reshape(-1).view(np.uint8).data
        self._row = self._buffer.strides[0]

    def voxels(self, chunk: Corner, layers: slice, rows: slice, /) -> np.ndarray:
        """Return some slices and rows of a chunk, ``(z, y, x)``; the next call overwrites them.

        Labels have the type that the file holds, which may differ from the reader's.

        Raises
        ------
        DamagedChunkError
            If its file is missing or of the wrong size.
        """
        z, y, x = chunk
        # A plain string: a cube has hundreds of chunks, and pathlib would take longer than reading them.
        # A buffer that stays in the processor's cache: memory-mapping would cost a page fault for each page.
        path = f"{self._folder}/{z}/{y}/{x}"
        try:
            with io.FileIO(path) as file:
                if self._compressed:
                    return _unpacked(file.readall(), self._buffer)[layers, rows]
                return self._raw(file, rows)[layers]
        except (FileNotFoundError, ValueError, RuntimeError) as error:
            raise DamagedChunkError(
                f"the chunk {path} is damaged: {one_line(error)}; find all with: mtneuro-data cache verify"
            ) from error

    def _raw(self, file: io.FileIO, rows: slice) -> np.ndarray:
        size = file.seek(0, os.SEEK_END)
        if size != self._buffer.nbytes:
            raise ValueError(f"it holds {size} bytes")
        file.seek(rows.start * self._row)
        n_rows = rows.stop - rows.start
        if file.readinto(self._bytes[: n_rows * self._row]) != n_rows * self._row:
            raise ValueError("it ends too early")
        # Swapping two axes is its own inverse.
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

    stated = _frame_size(content)
    if stated == buffer.nbytes:
        decompress(content, buffer)
        return buffer
    size, rest = divmod(stated or 0, math.prod(CHUNK))
    if rest or size not in (1, 2, 4, 8):
        raise ValueError(f"it says to unpack to {stated} bytes")
    raw = bytes(decompress(content))
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
