"""Images as slices: single files, folders and patterns of them, and TIFF stacks."""

import glob
import math
import re
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtneuro_data._shared.bounds import MemoryBoundError, check_memory
from mtneuro_data._shared.words import one_line
from mtneuro_data.box import Box
from mtneuro_data.sources.array_file import volume_array
from mtneuro_data.sources.base import File, Source
from mtneuro_data.sources.tiff import tiff_array

if TYPE_CHECKING:
    from PIL import Image

_limit = threading.Lock()

_GREY_MODES = {"1": 1, "L": 1, "I": 4, "F": 4, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
"""Pillow's modes of images with one grey value per pixel, and its bytes; none is of palette images."""

_FORMATS = ("PNG", "JPEG", "JPEG2000", "WEBP", "BMP", "PPM", "TIFF", "GIF", "TGA")
"""Formats of a slice that are decoded; those that Pillow hands to another program, such as EPS, are not."""

_ORIENTATION = 274
"""Tag that says how a picture is looked at."""

_TURNED = (5, 6, 7, 8)
"""Its values where rows are columns."""

_COPIES = 3
"""Copies of an image's pixels that Pillow holds while it hands them to NumPy."""

_LITTER = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")
"""Files that operating systems leave in folders, in small letters; they are skipped, as are hidden files."""


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
            raise ValueError(
                f"{path} is not a readable image: {one_line(error)}; Fiji opens most formats, and saves TIFF"
            ) from None
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _slice(path: Path) -> np.ndarray:
    from PIL import ImageOps

    if path.suffix.lower() in (".tif", ".tiff"):
        return np.asarray(tiff_array(path)[0])
    with _opened(path) as image:
        _check_single(image)
        if image.mode not in _GREY_MODES:
            raise ValueError(f"a slice must have one grey value a pixel, got the mode {image.mode}")
        check_memory(str(path), _COPIES * math.prod(image.size) * _GREY_MODES[image.mode])
        ImageOps.exif_transpose(image, in_place=True)
        return np.asarray(image)


def _check_single(image: "Image.Image") -> None:
    """Refuse a picture of several frames, and one whose numbers Pillow would stretch to another range."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise ValueError(f"a slice must be one picture, got {frames} frames; write them apart")
    tiles: Any = getattr(image, "tile", ())
    # Pillow's decoder of PGM is told the number that stands for white.
    white = next((args[-1] for name, *_, args in tiles if name == "ppm" and args), None)
    if isinstance(white, int) and white not in (255, 65535):
        raise ValueError(f"its white must be 255 or 65535, got {white}; write it as TIFF or PNG")


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
        paths = [one for one in path.iterdir() if _is_slice(one)]
    elif path.exists():
        paths = [path]
    else:
        found = (Path(name) for name in glob.glob(str(path)))  # noqa: PTH207 - absolute patterns too
        paths = [one for one in found if _is_slice(one)]
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


def _is_slice(path: Path) -> bool:
    """Return whether a file is none that an operating system has left there."""
    return path.is_file() and not path.name.startswith(".") and path.name.lower() not in _LITTER


def _check_size(path: Path, source: StackSource, first: Path) -> None:
    """Compare the size in an image's header, without decoding it."""
    with _opened(path) as image:
        width, height = image.size
        if image.getexif().get(_ORIENTATION, 1) in _TURNED:
            width, height = height, width
    if (height, width) != source.shape[1:]:
        raise ValueError(
            f"images of a stack must have one size: {first} is {source.shape[1:]}, {path} is {height, width}"
        )
