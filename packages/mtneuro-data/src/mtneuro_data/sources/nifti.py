"""NIfTI and Analyze files, in which proofreading tools such as ITK-SNAP keep volumes and labels."""

import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mtneuro_data._shared.bounds import MemoryBoundError
from mtneuro_data._shared.words import one_line
from mtneuro_data.sources.array_file import ArraySource, Oriented, Unpacked
from mtneuro_data.sources.base import File
from mtneuro_data.sources.lengths import micrometres, stated_size

_MICROMETRES = {1: 1e6, 2: 1e3, 3: 1.0}
"""Micrometres in a unit of length, by its code in a NIfTI header."""

_MOST_OFFSET = 1 << 31
"""Where voxels may begin at most: the extensions before them are texts."""

_OBLIQUE = 1e-3
"""Share of a voxel's edge that may lie along another axis; more is a rotation."""


def nifti_bytes(voxels: np.ndarray, /, *, voxel_size_um: tuple[float, float, float] | None) -> bytes:
    """Return a volume ``(z, y, x)`` as the bytes of an uncompressed NIfTI-1 file.

    Parameters
    ----------
    voxels
        The volume. The file's axes are x, y, z with x fastest, which is the same order in memory.
    voxel_size_um
        Edges of a voxel, ``(z, y, x)``. The file states them in millimetres, as its readers expect; where
        they are ``None`` it states no unit.

    Raises
    ------
    ValueError
        If the format has no such type, or an axis is longer than 32767 voxels.
    """
    import nibabel
    from nibabel.spatialimages import HeaderDataError

    if max(voxels.shape) > 32767:
        raise ValueError(f"an axis of a NIfTI file has at most 32767 voxels, got the shape {voxels.shape}")
    header: Any = nibabel.Nifti1Header(endianness="<")
    try:
        header.set_data_dtype(voxels.dtype)
    except HeaderDataError:
        raise ValueError(
            f"NIfTI has no type for {voxels.dtype}; convert it, as with .astype(np.uint8)"
        ) from None
    z, y, x = (1.0, 1.0, 1.0) if voxel_size_um is None else (size / 1e3 for size in voxel_size_um)
    header.set_data_shape(voxels.shape[::-1])
    header.set_zooms((x, y, z))
    header["pixdim"][4:] = 0
    header.set_xyzt_units("unknown" if voxel_size_um is None else "mm")
    header.set_slope_inter(1, 0)
    # An affine without rotation; without one a reader may flip axes.
    header.set_sform(np.diag([x, y, z, 1]), code=2)
    header["vox_offset"], header["magic"] = header.single_vox_offset, header.single_magic
    little = np.ascontiguousarray(voxels, voxels.dtype.newbyteorder("<"))
    return bytes(header.binaryblock).ljust(header.single_vox_offset, b"\0") + little.tobytes()


def open_nifti(file: File, /) -> ArraySource:
    """Return a NIfTI-1 or NIfTI-2 file, or a pair of header and image (Analyze), as a volume ``(z, y, x)``.

    Axes are put in order as the file's orientation says; none is turned round. Scaled values become floats.
    The voxels are memory-mapped, or unpacked when they are first read.

    Raises
    ------
    ValueError
        If it is no such file of one volume, its axes are oblique, or it needs more memory than is at hand.
    """
    path = file.path
    try:
        with _quiet():
            return _opened(path)
    except (FileNotFoundError, PermissionError, MemoryBoundError):
        raise
    except Exception as error:  # what nibabel raises for a broken file has no common class
        raise ValueError(f"{path} is not a readable NIfTI file: {one_line(error)}") from None


@contextmanager
def _quiet() -> Generator[None]:
    """Keep nibabel's notes on a header to itself: what matters is refused here."""
    logger = logging.getLogger("nibabel.global")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def _opened(path: Path) -> ArraySource:
    import nibabel

    image: Any = nibabel.load(path)
    header = _raw_header(image)
    raw = header.structarr
    shape = tuple(image.shape)
    if len(shape) < 2:
        raise ValueError(f"a volume has three axes, got the shape {shape}")
    affine: np.ndarray | None = None
    if any(int(raw[code]) > 0 for code in ("sform_code", "qform_code") if code in raw.dtype.names):
        affine = image.header.get_best_affine()
    extra = tuple(f"axis {place}" for place in range(3, len(shape)))
    voxels = _Scaled(_stored(image, raw, str(path)), *_slope(header))
    array = Oriented(voxels, (*_axes(affine)[: len(shape)], *extra), name=str(path))
    return ArraySource(array, voxel_size_um=_voxel_size(raw, affine))


def _raw_header(image: Any) -> Any:
    """Return the header's fields as they stand in the file; nibabel puts what it doubts right."""
    files = image.file_map.get("header") or image.file_map["image"]
    with files.get_prepare_fileobj("rb") as file:
        return image.header_class.from_fileobj(file, check=False)


def _slope(header: Any) -> tuple[float, float]:
    """Return what voxels are multiplied by and what is added; a slope of 0 or of no number means neither."""
    get = getattr(header, "get_slope_inter", None)
    slope, shift = get() if get is not None else (None, None)
    return (1.0 if slope is None else float(slope)), (0.0 if shift is None else float(shift))


def _axes(affine: np.ndarray | None) -> tuple[str, str, str]:
    """Return which way each axis of the file points in space, by its name."""
    if affine is None:
        return ("x", "y", "z")
    columns = np.abs(affine[:3, :3].astype(np.float64))
    lengths = columns.max(axis=0)
    order = [int(place) for place in columns.argmax(axis=0)]
    if not np.isfinite(columns).all() or lengths.min() <= 0 or sorted(order) != [0, 1, 2]:
        raise ValueError(f"its affine must turn three axes into three, got {affine[:3, :3].tolist()}")
    if (np.sort(columns, axis=0)[:2] > _OBLIQUE * lengths).any():
        raise ValueError(
            "its axes must be parallel to those of space, got an oblique affine; resample it first, as with "
            "nibabel.processing.resample_to_output"
        )
    x, y, z = ("xyz"[place] for place in order)
    return (x, y, z)


def _voxel_size(raw: Any, affine: np.ndarray | None) -> tuple[float, float, float] | None:
    """Return the edges of a voxel ``(z, y, x)`` in micrometres, where the header states a unit for them."""
    if "xyzt_units" in raw.dtype.names:
        unit = _MICROMETRES.get(int(raw["xyzt_units"]) & 7)
    else:
        unit = micrometres(raw["vox_units"].item().rstrip(b"\0 "))
    if unit is None:
        return None
    sizes = [float(edge) for edge in raw["pixdim"][1:4]]
    if affine is not None:
        edges = dict(zip(_axes(affine), np.abs(affine[:3, :3]).max(axis=0), strict=True))
        sizes = [0.0 if min(sizes) <= 0 else float(edges[axis]) for axis in "xyz"]
    return stated_size(sizes[::-1], unit)


def _stored(image: Any, raw: Any, name: str) -> Any:
    """Return the voxels as they lie in the file, mapped, or unpacked when they are first read."""
    from nibabel.volumeutils import array_from_file

    offset = float(raw["vox_offset"])
    single = bytes(raw["magic"]).startswith(b"n+") if "magic" in raw.dtype.names else False
    least = int(image.header.single_vox_offset) if single else 0
    if offset == 0:
        offset = least
    if not least <= offset <= _MOST_OFFSET:
        raise ValueError(f"its voxels must begin after its header, got the offset {offset}")
    shape, dtype = tuple(image.shape), image.get_data_dtype()
    held = image.file_map["image"]
    n_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
    path = Path(held.filename)
    packed = path.suffix.lower() in (".gz", ".bz2", ".zst")

    def read() -> np.ndarray:
        try:
            with held.get_prepare_fileobj("rb") as opened:
                return array_from_file(shape, dtype, opened, int(offset), order="F", mmap="r")
        except Exception as error:  # as in open_nifti
            raise ValueError(f"{name} is not a readable NIfTI file: {one_line(error)}") from None

    if packed:
        return Unpacked(read, shape, dtype, name=name)
    size = path.stat().st_size - int(offset)
    if size < n_bytes:
        raise ValueError(f"its voxels must be {n_bytes:,} bytes, got {size:,}")
    return read()


class _Scaled:
    """Voxels that are multiplied and moved as their header says, when they are read."""

    def __init__(self, array: Any, slope: float, shift: float) -> None:
        self._array, self._slope, self._shift = array, slope, shift
        self.shape: tuple[int, ...] = array.shape
        self._scaled = (slope, shift) != (1.0, 0.0)
        wide = array.dtype.kind in "iuf" and array.dtype.itemsize > (4 if array.dtype.kind == "f" else 2)
        self.dtype: np.dtype[Any] = (
            np.dtype(np.float64 if wide else np.float32) if self._scaled else array.dtype
        )

    def __getitem__(self, key: Any, /) -> np.ndarray:
        voxels = self._array[key]
        if not self._scaled:
            return voxels
        return (voxels * np.float64(self._slope) + np.float64(self._shift)).astype(self.dtype)
