"""TIFF images and stacks: their pixels, axes and voxel size, whichever program wrote them."""

import logging
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from mtneuro_data._shared.bounds import MemoryBoundError, check_memory, memory_at_hand
from mtneuro_data._shared.words import one_line
from mtneuro_data.sources.array_file import ArraySource, volume_array
from mtneuro_data.sources.base import File
from mtneuro_data.sources.lengths import micrometres, stated_size

if TYPE_CHECKING:
    import tifffile

# What tifffile notes of a damaged file is for its own log: the user reads the one line of the error.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

Size = tuple[float, float, float] | None

_DEFLATED = (8, 32946)
"""Numbers of the TIFF compressions that zlib unpacks, to any size."""

_PIECE = 1 << 20

_DEFLATE_RATIO = 1032
"""Bytes that one deflated byte unpacks to at most."""

_IMAGEJ_TYPES = ("uint8", "uint16", "float32")
_OME_TYPES = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
_IMAGEJ_BYTES = 1 << 32

_RESOLUTION_UNITS = {2: "inch", 3: "cm"}
"""Units of the tag ResolutionUnit; 1 is none."""

# Every file names itself; this name is fixed, so that the same volume always gives the same file.
_UUID = "6d746e65-7572-4f00-8000-000000000000"


def write_tiff(path: Path, voxels: np.ndarray, /, *, voxel_size_um: Size) -> None:
    """Write a volume ``(z, y, x)`` as a stack of grey pages.

    ImageJ's variant holds three types up to 4 GB, OME-TIFF most others; both keep the voxel size. The rest
    (64-bit integers, half precision) are written with tifffile's own description.

    Parameters
    ----------
    path
        The file.
    voxels
        The volume.
    voxel_size_um
        Edges of a voxel ``(z, y, x)``; without them the file states none.
    """
    import tifffile

    about: dict[str, Any] = {"axes": "ZYX"}
    options: dict[str, Any] = {}
    imagej = voxels.dtype.name in _IMAGEJ_TYPES and voxels.nbytes < _IMAGEJ_BYTES
    ome = not imagej and voxels.dtype.name in _OME_TYPES
    if voxel_size_um is not None:
        z, y, x = voxel_size_um
        if ome:
            about |= {f"PhysicalSize{axis}": size for axis, size in zip("ZYX", voxel_size_um, strict=True)}
            about |= {f"PhysicalSize{axis}Unit": "µm" for axis in "ZYX"}
        else:
            about |= {"spacing": z, "unit": "um"}
            options = {"resolution": (1 / x, 1 / y)}
    if ome:
        about["UUID"] = _UUID
    # Left to itself, the writer takes one column for one sample, three or four slices for colours, and truth
    # values for ink.
    if imagej:
        del about["axes"]  # they are these six, always
        voxels = voxels[None, :, None, :, :, None]
    tifffile.imwrite(
        path, voxels, imagej=imagej, ome=ome, photometric="minisblack", metadata=about, **options
    )


def open_tiff(file: File, /) -> ArraySource:
    """Return a TIFF image or stack, memory-mapped where the file allows it.

    Raises
    ------
    ValueError
        If it is no TIFF of grey values of one image or stack, or does not fit into memory.
    """
    array, size = tiff_array(file.path)
    return ArraySource(volume_array(array, str(file.path)), voxel_size_um=size)


def tiff_array(path: Path, /) -> tuple[np.ndarray, Size]:
    """Return a TIFF's pixels, ``(y, x)`` or ``(z, y, x)``, with black as 0, and its voxel size if stated.

    Raises
    ------
    ValueError
        As `open_tiff`.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            shape = _checked_shape(tiff)
            size = _voxel_size(tiff)
            page = tiff.series[0].keyframe
            n_bytes = math.prod(shape) * tiff.series[0].dtype.itemsize
            try:
                array = tifffile.memmap(path, mode="r")
            except ValueError:
                # Compressed or not contiguous: the pixels cannot be memory-mapped.
                check_memory(str(path), n_bytes)
                _check_strips(tiff)
                array = tifffile.imread(path)
            array = array.reshape(shape)
            if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
                check_memory(str(path), n_bytes)
                array = _inverted(array, page.bitspersample)
            return _upright(array, page), size
    except (FileNotFoundError, PermissionError, MemoryBoundError):
        raise
    except Exception as error:  # what tifffile raises for a broken file has no common class
        told = one_line(error)
        if "imagecodecs" in told:
            told = f"{told}: pip install 'mtneuro-data[tiff]'"
        raise ValueError(f"{path} is not a readable TIFF file: {told}") from None


def _inverted(array: np.ndarray, bits: int) -> np.ndarray:
    """Return pixels of which 0 is white with 0 as black."""
    if array.dtype.kind == "b":
        return ~array
    if array.dtype.kind != "u":
        raise ValueError(f"white can be 0 only in pixels without a sign, got {array.dtype}; write it anew")
    return np.asarray(array.dtype.type(2**bits - 1) - array)


def _upright(array: np.ndarray, page: Any) -> np.ndarray:
    """Return pixels as their tag of orientation says that they are looked at."""
    tag = page.tags.get(274)
    turned = 1 if tag is None else int(tag.value)
    if turned in (2, 3, 6, 7):
        array = np.flip(array, -1 if turned in (2, 3) else -2)
    if turned in (3, 4, 7, 8):
        array = np.flip(array, -2 if turned in (3, 4) else -1)
    return np.swapaxes(array, -1, -2) if turned in (5, 6, 7, 8) else array


def _voxel_size(tiff: "tifffile.TiffFile") -> Size:
    """Return the edges of a voxel that OME, ImageJ or tifffile has described; a depth is never guessed."""
    if tiff.is_ome and tiff.ome_metadata:
        return _ome_size(tiff.ome_metadata)
    about: Mapping[str, Any] = tiff.imagej_metadata or next(iter(tiff.shaped_metadata or ()), {})
    page: Any = tiff.series[0].keyframe
    per_unit = [_ratio(page.tags.get(name)) for name in ("YResolution", "XResolution")]
    if "spacing" not in about or min(per_unit) <= 0:
        return None
    tag = page.tags.get("ResolutionUnit")
    unit = about.get("unit") or _RESOLUTION_UNITS.get(0 if tag is None else int(tag.value), "")
    try:
        return stated_size([float(about["spacing"]), 1 / per_unit[0], 1 / per_unit[1]], str(unit))
    except (TypeError, ValueError):
        return None


def _ratio(tag: Any) -> float:
    if tag is None:
        return 0.0
    above, below = tag.value
    return above / below if below else 0.0


def _ome_size(described: str) -> Size:
    elements = ET.fromstring(described).iter()  # noqa: S314 - tifffile has parsed it before
    pixels = next((each for each in elements if each.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return None
    try:
        sizes = [float(pixels.get(f"PhysicalSize{axis}", "nan")) for axis in "ZYX"]
    except ValueError:
        return None
    # A micrometre is the unit that OME's schema sets where a file names none.
    return stated_size(sizes, [micrometres(pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "ZYX"])


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

    if len(tiff.series) != 1:
        raise ValueError(
            f"it must hold one image or one stack, got {len(tiff.series)} separate images; write one apart"
        )
    if tiff.is_ome and any(page is None for page in tiff.series[0].pages):
        raise ValueError("some of its planes are missing: another file of the same OME-TIFF is not there")
    if tiff.pages.first.photometric == tifffile.PHOTOMETRIC.PALETTE:
        raise ValueError("its pixels must be grey values, got indices of a palette")
    series = tiff.series[0]
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
