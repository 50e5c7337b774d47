"""Write and read the NIfTI-1 files in which ITK-SNAP and other tools keep an image and its labels.

R. W. Cox et al. (2004), A (sort of) new image data format standard: NIfTI-1.
"""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtneuro_seg._shared.bounds import check_memory

_TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
_CODES = {np.dtype(kind): code for code, kind in _TYPES.items()}
_MICROMETRES = {0: None, 1: 1e6, 2: 1e3, 3: 1.0}
"""Micrometres in a unit of length, by its code."""

_HEADER, _VOXELS, _MAGIC = 348, 352, b"n+1\0"
_OBLIQUE = 1e-3
"""Share of a voxel's edge that may lie along another axis; more is a rotation."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NiftiVolume:
    """A volume of a NIfTI file, its axes in the order and direction of ``z, y, x``."""

    array: np.ndarray
    """``(z, y, x)``."""

    voxel_size_um: tuple[float, float, float] | None
    """Edges of a voxel ``(z, y, x)`` in micrometres; ``None`` where the file states no unit."""


def write_nifti(
    path: Path,
    volume: np.ndarray,
    *,
    voxel_size_um: tuple[float, float, float] | None,
    lower: tuple[int, int, int] = (0, 0, 0),
) -> None:
    """Write a volume ``(z, y, x)`` as a compressed NIfTI-1 file, ``.nii.gz``.

    Parameters
    ----------
    path
        The file.
    volume
        The voxels. The file's axes are x, y, z with x fastest, which is the same order in memory.
    voxel_size_um
        Edges of a voxel; the file states them in millimetres, as its readers expect. Where they are ``None``
        it states no unit, and voxels are cubes.
    lower
        First voxel ``(z, y, x)`` in the larger volume that this one was cut from: the file places it there.

    Raises
    ------
    ValueError
        If the format has no such type, or an axis is longer than 32767 voxels.
    """
    voxels = volume.astype(np.uint8) if volume.dtype == bool else volume
    voxels = voxels.astype(np.float32) if voxels.dtype == np.float16 else voxels
    code = _CODES.get(voxels.dtype.newbyteorder("="))
    if code is None:
        raise ValueError(f"NIfTI has no type for {volume.dtype}; convert it, as with .astype(np.uint8)")
    if max(voxels.shape) > 32767:
        raise ValueError(f"an axis of a NIfTI file has at most 32767 voxels, got the shape {voxels.shape}")
    z, y, x = (1.0, 1.0, 1.0) if voxel_size_um is None else (size / 1e3 for size in voxel_size_um)
    first = [at * edge for at, edge in zip(lower, (z, y, x), strict=True)][::-1]
    header = bytearray(_VOXELS)
    struct.pack_into("<i", header, 0, _HEADER)
    struct.pack_into("<8h", header, 40, 3, *voxels.shape[::-1], 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, code, 8 * voxels.dtype.itemsize)
    struct.pack_into("<8f", header, 76, 1, x, y, z, 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, _VOXELS, 1, 0)
    header[123] = 0 if voxel_size_um is None else 2
    # Both forms of the orientation, alike and without rotation: readers differ in the one that they take.
    struct.pack_into("<2h", header, 252, 1, 1)
    struct.pack_into("<6f", header, 256, 0, 0, 0, *first)
    for row, (edge, shift) in enumerate(zip((x, y, z), first, strict=True)):
        struct.pack_into("<4f", header, 280 + 16 * row, *(edge * (row == axis) for axis in range(3)), shift)
    header[344:348] = _MAGIC
    little = np.ascontiguousarray(voxels, voxels.dtype.newbyteorder("<"))
    # Without a name and a time, so that equal volumes are equal files.
    with path.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
        packed.write(header)
        packed.write(little.data)


def read_nifti(path: Path) -> NiftiVolume:
    """Return the volume of a NIfTI-1 file, ``.nii`` or ``.nii.gz``.

    Axes that the file keeps in another order, or the other way round, are put right.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no such file of one volume, its axes are oblique, or it needs more memory than is at hand.
    """
    try:
        return _read(path)
    except (zlib.error, gzip.BadGzipFile, EOFError, struct.error) as error:
        raise ValueError(f"{path} is not a readable NIfTI file: {error}") from None


def _read(path: Path) -> NiftiVolume:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        file = gzip.GzipFile(fileobj=raw) if packed else raw
        header = file.read(_HEADER)
        order = next((sign for sign in "<>" if header[:4] == struct.pack(f"{sign}i", _HEADER)), None)
        if order is None or header[344:348] != _MAGIC:
            raise ValueError(
                f"{path} is not a readable NIfTI file: it does not begin as a single NIfTI-1 file"
            )
        axes, *lengths = struct.unpack_from(f"{order}8h", header, 40)
        sizes = lengths[:axes] if 1 <= axes <= 7 else []
        if len(sizes) < 2 or min(sizes) < 1 or any(size > 1 for size in sizes[3:]):
            raise ValueError(f"{path} must hold one volume of three axes, got the shape {tuple(sizes)}")
        shape = (*sizes, 1)[:3]
        (code,) = struct.unpack_from(f"{order}h", header, 70)
        if code not in _TYPES:
            raise ValueError(f"{path} must hold plain numbers, got the NIfTI type {code}")
        dtype = np.dtype(order + _TYPES[code])
        offset, slope, shift = struct.unpack_from(f"{order}3f", header, 108)
        if not _HEADER <= offset <= 1 << 24:
            raise ValueError(f"{path} must hold its voxels after its header, got the offset {offset}")
        n_bytes = math.prod(shape) * dtype.itemsize
        check_memory(str(path), n_bytes)
        file.read(int(offset) - _HEADER)
        content = file.read(n_bytes)
    if len(content) < n_bytes:
        raise ValueError(f"{path} must hold {n_bytes:,} bytes of voxels, got {len(content):,}")
    stored = (
        np.frombuffer(content, dtype).reshape(shape, order="F").astype(dtype.newbyteorder("="), copy=False)
    )
    if slope not in (0, 1) or (slope == 1 and shift):
        stored = stored * np.float64(slope) + np.float64(shift)
    affine = _affine(header, order)
    turned, edges = _in_order(stored, affine, path)
    unit = _MICROMETRES.get(header[123] & 7)
    return NiftiVolume(
        array=np.array(turned.transpose(2, 1, 0), order="C"),
        voxel_size_um=None if unit is None else (edges[2] * unit, edges[1] * unit, edges[0] * unit),
    )


def _affine(header: bytes, order: str) -> np.ndarray:
    """Return the matrix that takes steps along the file's axes to steps along x, y and z."""
    quaternion, rows = struct.unpack_from(f"{order}2h", header, 252)
    sign, *edges = struct.unpack_from(f"{order}4f", header, 76)
    if rows > 0:
        return np.array(struct.unpack_from(f"{order}12f", header, 280)).reshape(3, 4)[:, :3]
    if quaternion <= 0:
        return np.diag(edges)
    b, c, d = struct.unpack_from(f"{order}3f", header, 256)
    a = max(1 - b * b - c * c - d * d, 0) ** 0.5
    turned = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    return turned * [edges[0], edges[1], edges[2] * (-1 if sign < 0 else 1)]


def _in_order(
    stored: np.ndarray, affine: np.ndarray, path: Path
) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Return voxels ``(x, y, z)``, each axis ascending in space, and their edges."""
    steps = np.abs(affine)
    along = steps.argmax(axis=0)
    lengths = steps.max(axis=0)
    if not np.isfinite(affine).all() or lengths.min() <= 0 or sorted(along) != [0, 1, 2]:
        raise ValueError(f"{path} must turn three axes into three, got the affine {affine.tolist()}")
    if (np.sort(steps, axis=0)[:2] > _OBLIQUE * lengths).any():
        raise ValueError(f"{path} must have axes parallel to those of space, got an oblique affine")
    places = np.argsort(along)
    turned = stored.transpose(places)
    backwards = [slice(None, None, -1 if affine[axis, places[axis]] < 0 else 1) for axis in range(3)]
    x, y, z = (float(lengths[place]) for place in places)
    return turned[tuple(backwards)], (x, y, z)
