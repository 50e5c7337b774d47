"""Boxes of an image that are kept whole, beside the chunks they were joined from, to be read in one piece."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from mtneuro_data._shared.digests import file_digest
from mtneuro_data._shared.files import written_beside
from mtneuro_data.box import Box

logger = logging.getLogger(__name__)

_FROM_BYTES = 1 << 22
"""Size of a box from which it is kept; smaller ones are read from chunks as fast."""


class Cutouts:
    """A folder of ``.npy`` files, one a box, named by its corners, each with its SHA-256 beside it.

    The paper's cubes lie off every grid, so that joining one moves 1.5 times its bytes in rows of a hundred.
    A task's cubes are read again and again; here they are read as `numpy.load` reads them. Nothing here is
    needed: what is missing, damaged or dropped is joined from chunks again.

    Parameters
    ----------
    folder
        Where the files lie; made when the first one is kept.
    dtype
        Type of the voxels.
    """

    def __init__(self, folder: Path, dtype: np.dtype[Any]) -> None:
        self._folder = folder
        self._dtype = dtype

    def has(self, box: Box, /) -> bool:
        """Return whether a box is kept."""
        return self._worth(box) and self._path(box).is_file()

    def wants(self, box: Box, /) -> bool:
        """Return whether a box is worth keeping and not kept yet."""
        return self._worth(box) and not self._path(box).is_file()

    def read(self, box: Box, out: np.ndarray | None, /) -> np.ndarray | None:
        """Return the voxels of a box that is kept, in ``out`` where one is given; else ``None``."""
        if not self._worth(box):
            return None
        shape = box.shape
        into = out if out is not None and out.flags.c_contiguous else np.empty(shape, self._dtype)
        path = self._path(box)
        try:
            with path.open("rb", buffering=0) as file:
                if npy.read_magic(file) != (1, 0) or npy.read_array_header_1_0(file) != (
                    shape,
                    False,
                    self._dtype,
                ):
                    raise ValueError("it holds something else")
                if file.readinto(into.reshape(-1).view(np.uint8).data) != into.nbytes or file.read(1):
                    raise ValueError("its size is wrong")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            logger.warning("the cutout %s is damaged (%s); it is joined from chunks again", path, error)
            self._drop(path)
            return None
        if out is None or out is into:
            return into
        out[...] = into
        return out

    def keep(self, box: Box, voxels: np.ndarray, /) -> None:
        """Keep a box; where that fails, for want of space or of the right to write, go on without."""
        path = self._path(box)
        try:
            with written_beside(path) as beside:
                with beside.open("wb") as file:
                    np.save(file, voxels, allow_pickle=False)
                digest = file_digest(beside)
                with written_beside(path.with_suffix(".sha256")) as other:
                    other.write_text(digest + "\n", "ascii")
        except OSError as error:
            logger.info("%s; the box is joined from chunks next time too", error)

    def drop_damaged(self) -> list[Path]:
        """Drop the files that no longer have the digest taken when they were kept, and return their paths."""
        damaged = [path for path in self._files() if not _is_whole(path)]
        for path in damaged:
            self._drop(path)
        return damaged

    def clear(self) -> None:
        """Drop all of them."""
        for path in self._files():
            self._drop(path)

    @property
    def n_bytes(self) -> int:
        """Bytes that they take."""
        return sum(path.stat().st_size for path in self._files())

    def _worth(self, box: Box) -> bool:
        return box.size * self._dtype.itemsize >= _FROM_BYTES

    def _path(self, box: Box) -> Path:
        return self._folder / (
            "_".join(f"{lo}-{hi}" for lo, hi in zip(box.lower, box.upper, strict=True)) + ".npy"
        )

    def _files(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*.npy") if not path.name.startswith("."))

    def _drop(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        path.with_suffix(".sha256").unlink(missing_ok=True)


def _is_whole(path: Path) -> bool:
    try:
        return file_digest(path) == path.with_suffix(".sha256").read_text("ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return False
