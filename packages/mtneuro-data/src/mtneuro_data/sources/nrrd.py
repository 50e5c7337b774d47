"""NRRD files, in which 3D Slicer and atlases keep volumes; the header may be a file of its own."""

import bz2
import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from mtneuro_data._shared.bounds import MemoryBoundError
from mtneuro_data._shared.extras import check_extra
from mtneuro_data._shared.words import one_line
from mtneuro_data.sources.array_file import ArraySource, Oriented, Unpacked
from mtneuro_data.sources.base import File
from mtneuro_data.sources.lengths import micrometres, stated_size

_NAMES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": (
        "longlong",
        "long long",
        "long long int",
        "signed long long",
        "signed long long int",
        "int64",
        "int64_t",
    ),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_TYPES = {name: kind for kind, names in _NAMES.items() for name in names}
"""NumPy's types by the names that the format has for them."""

_TEXT = ("ascii", "text", "txt")
_PACKED = {"gzip": gzip.open, "gz": gzip.open, "bzip2": bz2.open, "bz2": bz2.open}

_IN_SPACE = ("domain", "space", "???", "none")
"""Kinds of an axis that lies in space, or of which the file does not say."""

_OBLIQUE = 1e-3
"""Share of a voxel's edge that may lie along another axis; more is a rotation."""

_BROKEN = (ValueError, OSError, EOFError, LookupError, zlib.error)


def open_nrrd(file: File, /) -> ArraySource:
    """Return a ``.nrrd`` or ``.nhdr`` file as a volume ``(z, y, x)``, memory-mapped if it is not packed.

    Axes are put in order as ``space directions`` or ``labels`` say, otherwise the fastest is x; none is
    turned round. The voxel size needs a unit, ``space units`` or ``units``.

    Raises
    ------
    ValueError
        If the extra ``nrrd`` is not installed, it is no NRRD file of one volume, or its axes are oblique.
    """
    path = file.path
    check_extra("nrrd", extra="nrrd", what=str(path))
    try:
        return _opened(path)
    except (FileNotFoundError, PermissionError, MemoryBoundError):
        raise
    except Exception as error:  # what pynrrd raises for a broken header has no common class
        raise ValueError(f"{path} is not a readable NRRD file: {one_line(error)}") from None


def _opened(path: Path) -> ArraySource:
    import nrrd

    with path.open("rb") as opened:
        header: dict[str, Any] = dict(nrrd.read_header(opened))
        place = opened.tell()
    data = header.get("data file", header.get("datafile"))
    where = path
    if data is not None:
        where, place = path.parent / str(data), 0
        if not where.is_file():
            raise ValueError(f"its voxels must be in one file beside it, got {data!r}")
    axes = _axes(header)
    voxels = _voxels(header, where, place, str(path))
    return ArraySource(Oriented(voxels, axes, name=str(path)), voxel_size_um=_voxel_size(header, axes))


def _voxels(header: Mapping[str, Any], path: Path, place: int, name: str) -> Any:
    """Return the voxels in the order of the header's axes, mapped, or unpacked when they are first read."""
    shape = tuple(int(size) for size in header["sizes"])
    encoding = str(header["encoding"]).lower()
    dtype = np.dtype(_TYPES[str(header["type"])])
    if encoding not in _TEXT and dtype.itemsize > 1:
        dtype = np.dtype({"little": "<", "big": ">"}[str(header["endian"])] + dtype.str[1:])
    n = int(np.prod(shape, dtype=object))
    n_bytes = n * dtype.itemsize
    skip = int(header.get("byte skip", header.get("byteskip", 0)))
    with path.open("rb") as opened:
        opened.seek(place)
        for _ in range(int(header.get("line skip", header.get("lineskip", 0)))):
            opened.readline()
        place = opened.tell()
    if encoding == "raw":
        start = path.stat().st_size - n_bytes if skip == -1 else place + skip
        return np.memmap(path, dtype, "r", offset=start, shape=shape, order="F")
    if encoding not in (*_TEXT, *_PACKED):
        raise ValueError(f"its encoding must be raw, text, gzip or bzip2, got {encoding}")
    if skip < 0:
        raise ValueError(f"its byte skip must be 0 or more where it is {encoding}, got {skip}")

    def load() -> np.ndarray:
        try:
            with path.open("rb") as opened:
                opened.seek(place)
                voxels = _read(opened, encoding, skip, dtype, n)
        except _BROKEN as error:
            raise ValueError(f"{name} is not a readable NRRD file: {one_line(error)}") from None
        if voxels.size != n:
            raise ValueError(
                f"{name} is not a readable NRRD file: it must hold {n:,} voxels, got {voxels.size:,}"
            )
        return voxels.reshape(shape, order="F")

    return Unpacked(load, shape, dtype, name=name)


def _read(opened: IO[bytes], encoding: str, skip: int, dtype: np.dtype[Any], n: int) -> np.ndarray:
    if encoding in _TEXT:
        opened.seek(skip, 1)
        return np.array(opened.read().split()[:n], dtype)
    with _PACKED[encoding](opened) as unpacked:  # no more is unpacked than the header asks for
        unpacked.read(skip)
        held = unpacked.read(n * dtype.itemsize)
    return np.frombuffer(held[: len(held) // dtype.itemsize * dtype.itemsize], dtype)


def _directions(header: Mapping[str, Any]) -> np.ndarray | None:
    """Return which way each axis points in space, a row each, of an axis out of space not a number."""
    found = header.get("space directions")
    if found is None:
        return None
    rows = [np.full(3, np.nan) if row is None else np.asarray(row, np.float64) for row in found]
    return np.stack(rows) if all(row.shape == (3,) for row in rows) else None


def _axes(header: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the axes, the fastest first; those out of space are called by their number."""
    n = int(header["dimension"])
    rows = _directions(header)
    if rows is not None and len(rows) == n:
        names: list[str] = []
        for place, row in enumerate(np.abs(rows)):
            if not np.isfinite(row).all():
                names.append(f"axis {place}")
                continue
            if np.sort(row)[-2] > _OBLIQUE * row.max() or row.max() <= 0:
                raise ValueError(
                    "its axes must be parallel to those of space, got oblique space directions; resample it"
                )
            names.append("xyz"[int(row.argmax())])
        return tuple(names)
    labels = [str(label).lower() for label in header.get("labels", ())]
    if len(labels) == n and {"x", "y"} <= set(labels):
        return tuple(labels)
    kinds = [str(kind).lower() for kind in header.get("kinds") or ["domain"] * n]
    places = [place for place, kind in enumerate(kinds) if kind in _IN_SPACE][:3]
    return tuple("xyz"[places.index(place)] if place in places else f"axis {place}" for place in range(n))


def _voxel_size(header: Mapping[str, Any], axes: tuple[str, ...]) -> tuple[float, float, float] | None:
    if not {"z", "y", "x"} <= set(axes):
        return None
    order = [axes.index(axis) for axis in "zyx"]
    rows = _directions(header)
    if rows is not None:
        units = list(header.get("space units", ()))
        if len(units) != 3:
            return None
        # Of a row that is parallel to an axis of space, the unit is that axis's.
        each = [micrometres(units[int(np.abs(rows[place]).argmax())]) for place in order]
        return stated_size([float(np.abs(rows[place]).max()) for place in order], each)
    spacings, units = header.get("spacings"), list(header.get("units", ()))
    if spacings is None or len(units) != len(axes):
        return None
    return stated_size(
        [float(spacings[place]) for place in order], [micrometres(units[place]) for place in order]
    )
