"""Large boxes of an image, kept as whole files in addition to the chunks that they are assembled from."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from mtneuro_data._shared.digests import file_digest
from mtneuro_data._shared.files import synchronise, written_beside
from mtneuro_data._shared.words import one_line
from mtneuro_data.box import Box

logger = logging.getLogger(__name__)

_FROM_BYTES = 1 << 22
"""Smallest size of a box that is kept; smaller ones are read as fast from chunks."""


class Cutouts:
    """A folder of ``.npy`` files, one for each box, named by its corners, each with its SHA-256 beside it.

    The paper's cubes are not aligned with the chunks, so that assembling one copies 1.5 times its bytes in
    pieces of about a hundred. A task's cubes are read repeatedly; a kept box is read in one piece, as
    `numpy.load` does. These files are optional: a missing, damaged or deleted one is assembled from chunks
    again.

    Parameters
    ----------
    folder
        Where the files are stored; created when the first box is kept.
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
        """Return the voxels of a box, in ``out`` if it is given; ``None`` if the box is not kept."""
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
                    raise ValueError("it holds another shape or type")
                if file.readinto(into.reshape(-1).view(np.uint8).data) != into.nbytes or file.read(1):
                    raise ValueError("its size is wrong")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            told = one_line(error)
            logger.warning("the cutout %s is damaged (%s); it is assembled from chunks again", path, told)
            self._drop(path)
            return None
        if out is None or out is into:
            return into
        out[...] = into
        return out

    def keep(self, box: Box, voxels: np.ndarray, /) -> None:
        """Keep a box; if that fails, for example because the disk is full, continue without it."""
        path = self._path(box)
        try:
            # As with chunks: what lies under this name must be whole, and need not be there.
            with written_beside(path, durable=False) as beside:
                with beside.open("wb") as file:
                    np.save(file, voxels, allow_pickle=False)
                synchronise(beside)
                digest = file_digest(beside)
                with written_beside(path.with_suffix(".sha256"), durable=False) as other:
                    other.write_text(digest + "\n", "ascii")
        except OSError as error:
            logger.info("%s; the box will be assembled from chunks next time too", one_line(error))

    def drop_damaged(self) -> list[Path]:
        """Delete the files whose digest no longer matches, and return their paths."""
        damaged = [path for path in self._files() if not is_whole(path, path.with_suffix(".sha256"))]
        for path in damaged:
            self._drop(path)
        return damaged

    def clear(self) -> None:
        """Delete all kept boxes."""
        for path in self._files():
            self._drop(path)

    @property
    def n_bytes(self) -> int:
        """Size of all kept boxes on disk, in bytes."""
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


def is_whole(path: Path, digest: Path, /) -> bool:
    """Return whether a file still has the digest that another file records."""
    try:
        return file_digest(path) == digest.read_text("ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return False
