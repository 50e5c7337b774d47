"""NIfTI-1 files, in which proofreading tools such as ITK-SNAP keep volumes and labels."""

import gzip
import io
import struct
import zlib
from pathlib import Path

import numpy as np

from mtneuro_data._shared.bounds import MemoryBoundError, check_memory
from mtneuro_data.sources.array_file import ArraySource, volume_array
from mtneuro_data.sources.base import File

_HEADER_BYTES = 348
_OFFSET = 352
_MOST_OFFSET = 1 << 31
"""Where voxels may begin at most: the extensions before them are texts."""

_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_CODES = {np.dtype(name): code for code, name in _TYPES.items()}
_MICROMETRES = {0: 1e3, 1: 1e6, 2: 1e3, 3: 1.0}
"""Micrometres in a unit of length, by its code; a file that states no unit means millimetres."""


def nifti_bytes(voxels: np.ndarray, /, *, voxel_size_um: tuple[float, float, float]) -> bytes:
    """Return a volume ``(z, y, x)`` as the bytes of an uncompressed NIfTI-1 file.

    Parameters
    ----------
    voxels
        The volume. The file's axes are x, y, z with x fastest, which is the same order in memory.
    voxel_size_um
        Edges of a voxel, ``(z, y, x)``. The file states them in millimetres, as its readers expect.

    Raises
    ------
    ValueError
        If the format has no such type, or an axis is longer than 32767 voxels.
    """
    code = _CODES.get(voxels.dtype.newbyteorder("="))
    if code is None:
        raise ValueError(f"NIfTI has no type for {voxels.dtype}")
    if max(voxels.shape) > 32767:
        raise ValueError(f"an axis of a NIfTI file has at most 32767 voxels, got the shape {voxels.shape}")
    depth, rows, columns = voxels.shape
    z, y, x = (size / 1e3 for size in voxel_size_um)
    header = bytearray(_HEADER_BYTES)
    struct.pack_into("<i", header, 0, _HEADER_BYTES)
    struct.pack_into("<8h", header, 40, 3, columns, rows, depth, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, code, 8 * voxels.itemsize)
    struct.pack_into("<8f", header, 76, 1, x, y, z, 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, _OFFSET, 1, 0)
    header[123] = 2  # millimetres
    # An affine without rotation; without one a reader may flip axes.
    struct.pack_into("<2h", header, 252, 0, 2)
    struct.pack_into("<12f", header, 280, x, 0, 0, 0, 0, y, 0, 0, 0, 0, z, 0)
    header[344:348] = b"n+1\0"
    little = np.ascontiguousarray(voxels, voxels.dtype.newbyteorder("<"))
    return bytes(header) + b"\0" * (_OFFSET - _HEADER_BYTES) + little.tobytes()


def open_nifti(file: File, /) -> ArraySource:
    """Return a ``.nii`` or ``.nii.gz`` file as a volume ``(z, y, x)``.

    Raises
    ------
    ValueError
        If the file is no NIfTI-1 file of three axes, or needs more memory than there is at hand.
    """
    path = file.path
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as content:
            voxels, size = _read(content, path)
    except MemoryBoundError:
        raise
    except (struct.error, ValueError, KeyError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a readable NIfTI-1 file: {error}") from None
    return ArraySource(volume_array(voxels, str(path)), voxel_size_um=size)


def _read(file: io.BufferedIOBase, path: Path) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Return voxels and voxel size; of what is packed, no more is unpacked than the header asks for."""
    content = file.read(_HEADER_BYTES)
    order = "<" if content[:4] == struct.pack("<i", _HEADER_BYTES) else ">"
    if struct.unpack_from(f"{order}i", content)[0] != _HEADER_BYTES or content[344:347] != b"n+1":
        raise ValueError("it does not begin with a NIfTI-1 header")
    axes, *extents = struct.unpack_from(f"{order}8h", content, 40)
    if axes < 2 or min(extents[: min(axes, 3)]) < 1 or any(extent > 1 for extent in extents[3:axes]):
        raise ValueError(f"a volume has three axes, got {extents[: max(axes, 0)]}")
    columns, rows, depth = (*extents[:2], extents[2] if axes > 2 else 1)
    (code,) = struct.unpack_from(f"{order}h", content, 70)
    if code not in _TYPES:
        raise ValueError(f"its data type must be an integer or float type, got the code {code}")
    pixdim = struct.unpack_from(f"{order}8f", content, 76)
    offset, slope, shift = struct.unpack_from(f"{order}3f", content, 108)
    if (slope, shift) not in ((0.0, 0.0), (1.0, 0.0)):
        raise ValueError(f"its values must not be scaled, got the slope {slope} and the intercept {shift}")
    if not _HEADER_BYTES <= offset <= _MOST_OFFSET:
        raise ValueError(f"its voxels must begin after its header, got the offset {offset}")
    dtype = np.dtype(order + _TYPES[code])
    n_bytes = depth * rows * columns * dtype.itemsize
    # Those of the other byte order are turned round in a copy.
    check_memory(str(path), n_bytes * (1 if dtype.isnative else 2))
    file.seek(int(offset))
    raw = file.read(n_bytes)
    if len(raw) < n_bytes:
        raise ValueError(f"its voxels must be {n_bytes:,} bytes, got {len(raw):,}")
    voxels = np.frombuffer(raw, dtype)
    unit = _MICROMETRES.get(content[123] & 7, 1e3)
    size = (pixdim[3] * unit, pixdim[2] * unit, pixdim[1] * unit)
    native = voxels.reshape(depth, rows, columns).astype(dtype.newbyteorder("="), copy=False)
    return native, (round(size[0], 6), round(size[1], 6), round(size[2], 6))
