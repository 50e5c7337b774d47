"""MRC files, the format of electron tomography (MRC2014: Cheng et al., J. Struct. Biol. 192, 2015)."""

import warnings
from typing import Any

import numpy as np

from mtneuro_data._shared.extras import check_extra
from mtneuro_data._shared.words import one_line
from mtneuro_data.sources.array_file import ArraySource, Oriented
from mtneuro_data.sources.base import File
from mtneuro_data.sources.lengths import stated_size

_HEADER_BYTES = 1024

_NAMES = {1: "x", 2: "y", 3: "z"}
"""Axes in space by the numbers that the header calls them."""

_IMOD_STAMP = 1146047817
"""What IMOD writes at byte 152; bit 1 of the flags behind it says that bytes have a sign."""


def open_mrc(file: File, /) -> ArraySource:
    """Return an MRC file as a volume ``(z, y, x)``, memory-mapped; a voxel size of 0 is unknown.

    Raises
    ------
    ValueError
        If the extra ``mrc`` is not installed, or the file is no MRC file of one volume of plain numbers.
    """
    check_extra("mrcfile", extra="mrc", what=str(file.path))
    import mrcfile
    from mrcfile import utils

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with mrcfile.open(file.path, mode="r", header_only=True) as opened:
                header: Any = opened.header
        dtype, shape = utils.data_dtype_from_header(header), utils.data_shape_from_header(header)
        if dtype == np.int8 and _is_unsigned(header):
            dtype = np.dtype(np.uint8)
        offset = _HEADER_BYTES + int(header.nsymbt)
        voxels = np.memmap(file.path, dtype, "r", offset=offset, shape=shape)
        axes = ("axis 0",) * (len(shape) - 3) + _axes(header)[-len(shape) :]
        array = Oriented(voxels, axes, name=str(file.path))
    except (ValueError, OSError, KeyError) as error:
        if isinstance(error, (FileNotFoundError, PermissionError)):
            raise
        raise ValueError(f"{file.path} is not a readable MRC file: {one_line(error)}") from None
    edges, intervals = header.cella, (header.mz, header.my, header.mx)
    sizes = [
        float(edges[axis]) / int(n) if int(n) > 0 else 0.0 for axis, n in zip("zyx", intervals, strict=True)
    ]
    return ArraySource(array, voxel_size_um=stated_size(sizes, "angstrom"))


def _axes(header: Any) -> tuple[str, ...]:
    """Return which axis of space sections, rows and columns are."""
    numbers = [int(header.maps), int(header.mapr), int(header.mapc)]
    return tuple(_NAMES[number] for number in numbers) if sorted(numbers) == [1, 2, 3] else ("z", "y", "x")


def _is_unsigned(header: Any) -> bool:
    """Return whether IMOD wrote the bytes and says that they have no sign, against the format's rule."""
    order = ">" if bytes(header.machst)[:1] == b"\x11" else "<"
    stamp, flags = np.frombuffer(bytes(header.extra2)[40:48], f"{order}i4")
    return int(stamp) == _IMOD_STAMP and not int(flags) & 1
