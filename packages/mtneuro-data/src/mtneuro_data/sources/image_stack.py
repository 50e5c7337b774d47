"""Images as slices: single files, folders and patterns of them, and TIFF stacks."""

import glob
import logging
import math
import re
import threading
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mtneuro_data._shared.bounds import MemoryBoundError, check_memory, memory_at_hand
from mtneuro_data._shared.words import one_line
from mtneuro_data.box import Box
from mtneuro_data.sources.array_file import ArraySource, volume_array
from mtneuro_data.sources.base import File, Source

if TYPE_CHECKING:
    import tifffile
    from PIL import Image

_limit = threading.Lock()

_GREY_MODES = {"1": 1, "L": 1, "I": 4, "F": 4, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
"""Pillow's modes of images with one grey value per pixel, and its bytes; none is of palette images."""

_FORMATS = ("PNG", "JPEG", "JPEG2000", "WEBP", "BMP", "PPM", "TIFF", "GIF", "TGA")
"""Formats of a slice that are decoded; those that Pillow hands to another program, such as EPS, are not."""

_COPIES = 3
"""Copies of an image's pixels that Pillow holds while it hands them to NumPy."""

_DEFLATED = (8, 32946)
"""Numbers of the TIFF compressions that zlib unpacks, to any size."""

_PIECE = 1 << 20

_DEFLATE_RATIO = 1032
"""Bytes that one deflated byte unpacks to at most."""

# What tifffile notes of a damaged file is for its own log: the user reads the one line of the error.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_LITTER = ("Thumbs.db", "desktop.ini")
"""Files that operating systems leave in folders; they are skipped, as are hidden files."""


def natural_key(path: Path, /) -> tuple[object, ...]:
    """Return a key that sorts numbers in names by value: ``z9`` before ``z10``.

    Examples
    --------
    >>> [p.name for p in sorted([Path("z10.png"), Path("z9.png")], key=natural_key)]
    ['z9.png', 'z10.png']
    """
    parts = re.split(r"(\d+)", path.name)
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)


@contextmanager
def _opened(path: Path) -> Generator["Image.Image"]:
    """Open an image of any size, undecoded.

    Raises
    ------
    ValueError
        If it is none, or what the block raises while it decodes it.
    """
    from PIL import Image

    # A slice of a whole brain may exceed the size that Pillow allows as a guard against hostile files, so its
    # bytes are compared with the memory instead. The limit is a global variable of Pillow, so it is changed
    # under a lock and restored.
    with _limit:
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            with Image.open(path, formats=_FORMATS) as image:
                yield image
        except (FileNotFoundError, PermissionError, MemoryBoundError):
            raise
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"{path} is not a readable image: {one_line(error)}") from None
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _slice(path: Path) -> np.ndarray:
    if path.suffix.lower() in (".tif", ".tiff"):
        return np.asarray(_tiff_array(path))
    with _opened(path) as image:
        if image.mode not in _GREY_MODES:
            raise ValueError(f"a slice must have one grey value a pixel, got the mode {image.mode}")
        check_memory(str(path), _COPIES * math.prod(image.size) * _GREY_MODES[image.mode])
        return np.asarray(image)


class StackSource(Source):
    """Images of one size, each a slice, opened when they are read."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        first = volume_array(_slice(self._paths[0]), str(self._paths[0]))
        if first.shape[0] != 1:
            raise ValueError(f"{self._paths[0]}: a slice of a stack must have one page, got {first.shape[0]}")
        self.dtype = first.dtype
        self.shape = (len(self._paths), first.shape[1], first.shape[2])
        # Several boxes of one slice are often read one after another.
        self._last: tuple[int, np.ndarray] = (0, first[0])

    def read(self, box: Box, /) -> np.ndarray:
        """Return the voxels of a box."""
        layers, rows, columns = box.slices
        return np.stack([self._plane(z)[rows, columns] for z in range(layers.start, layers.stop)])

    def _plane(self, z: int) -> np.ndarray:
        at, plane = self._last
        if at != z:
            plane = _slice(self._paths[z])
            if plane.shape != self.shape[1:] or plane.dtype != self.dtype:
                raise ValueError(
                    f"images of a stack must have one size and type: {self._paths[0]} is {self.shape[1:]} of "
                    f"{self.dtype}, {self._paths[z]} is {plane.shape} of {plane.dtype}"
                )
            self._last = (z, plane)
        return plane


def open_images(file: File, /) -> StackSource:
    """Return an image, or the images of a folder or a pattern as slices in the natural order of their names.

    Raises
    ------
    FileNotFoundError
        If there is no image.
    ValueError
        If a file is not an image, or the images differ in size.
    """
    path = file.path
    if path.is_dir():
        names = (one for one in path.iterdir() if not one.name.startswith(".") and one.name not in _LITTER)
        paths = [one for one in names if one.is_file()]
    elif path.exists():
        paths = [path]
    else:
        paths = [Path(name) for name in glob.glob(str(path))]  # noqa: PTH207 - absolute patterns too
    if not paths:
        raise FileNotFoundError(
            f"no images at {path}; give a folder that holds images, or a pattern that matches some"
        )
    first, *others = sorted(paths, key=natural_key)
    source = StackSource([first, *others])
    for other in others:
        if other.suffix.lower() not in (".tif", ".tiff"):
            _check_size(other, source, first)
    return source


def _check_size(path: Path, source: StackSource, first: Path) -> None:
    """Compare the size in an image's header, without decoding it."""
    with _opened(path) as image:
        width, height = image.size
    if (height, width) != source.shape[1:]:
        raise ValueError(
            f"images of a stack must have one size: {first} is {source.shape[1:]}, {path} is {height, width}"
        )


def open_tiff(file: File, /) -> ArraySource:
    """Return a TIFF image or stack, memory-mapped where the file allows it."""
    return ArraySource(volume_array(_tiff_array(file.path), str(file.path)))


def _tiff_array(path: Path) -> np.ndarray:
    """Return a TIFF's pixels, ``(y, x)`` or ``(z, y, x)``, with black as 0."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            shape = _checked_shape(tiff)
            inverted = tiff.pages.first.photometric == tifffile.PHOTOMETRIC.MINISWHITE
            n_bytes = math.prod(shape) * tiff.series[0].dtype.itemsize
            try:
                array = tifffile.memmap(path, mode="r")
            except ValueError:
                # Compressed or not contiguous: the pixels cannot be memory-mapped.
                check_memory(str(path), n_bytes)
                _check_strips(tiff)
                array = tifffile.imread(path)
    except MemoryBoundError:
        raise
    except (tifffile.TiffFileError, ValueError, IndexError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path} is not a readable TIFF file: {error}") from None
    array = array.reshape(shape)
    if not (inverted and array.dtype.kind == "u"):
        return array
    check_memory(str(path), n_bytes)
    return np.iinfo(array.dtype).max - array


def _check_strips(tiff: "tifffile.TiffFile") -> None:
    """Raise where a strip or tile unpacks to more than it says, if that might be more than memory holds."""
    at_hand = memory_at_hand()
    if at_hand is None:
        return
    for page in tiff.series[0].pages:
        if page is None or page.dtype is None or page.compression not in _DEFLATED:
            continue
        said = math.prod(page.chunks) * page.dtype.itemsize
        for start, size in zip(page.dataoffsets, page.databytecounts, strict=False):
            if size * _DEFLATE_RATIO <= at_hand:
                continue
            tiff.filehandle.seek(start)
            unpacker, packed = zlib.decompressobj(), tiff.filehandle.read(size)
            done = 0
            while packed and done <= said:
                done += len(unpacker.decompress(packed, _PIECE))
                packed = unpacker.unconsumed_tail
            if done > said:
                raise ValueError(f"a strip must unpack to the {said:,} bytes that it says, got more")


def _checked_shape(tiff: "tifffile.TiffFile") -> tuple[int, ...]:
    """Return the shape without non-spatial axes of length 1; raise ``ValueError`` if it is no volume."""
    import tifffile

    if len(tiff.series) > 1:
        raise ValueError(f"it must hold one image or one stack, got {len(tiff.series)} separate images")
    if tiff.pages.first.photometric == tifffile.PHOTOMETRIC.PALETTE:
        raise ValueError("its pixels must be grey values, got indices of a palette")
    (series,) = tiff.series
    pairs = [(axis, size) for axis, size in zip(series.axes, series.shape, strict=True) if size > 1]
    told = ", ".join(f"{axis}: {size}" for axis, size in pairs)
    # Axes of pages that the file does not name (I and Q) count as slices.
    if any(axis in "CTS" for axis, _ in pairs):
        raise ValueError(
            f"it must hold one grey channel and one time, got {told} (S is RGB, C channels, T times)"
        )
    space = [axis for axis, _ in pairs if axis in "ZYX"]
    if space != sorted(space, reverse=True):
        raise ValueError(f"its axes must be in the order Z, Y, X, got {told}")
    return tuple(
        size for axis, size in zip(series.axes, series.shape, strict=True) if size > 1 or axis in "YX"
    )
