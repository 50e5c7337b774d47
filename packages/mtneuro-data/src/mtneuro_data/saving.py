"""Write volumes in the file formats that viewers and proofreading tools open."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from mtneuro_data._shared.files import written_beside
from mtneuro_data._shared.ome import BACKGROUND, multiscales, voxel_size
from mtneuro_data.reduction import downsampled_images, downsampled_labels

FORMATS = (".npy", ".npz", ".tif", ".tiff", ".zarr", ".nii", ".nii.gz")
"""Endings of the formats that `save_volume` writes."""

_CHUNK = (16, 128, 128)
_SHARD = (64, 512, 512)
_SMALLEST_FACE = 128


def save_volume(
    path: str | Path,
    voxels: Shaped[np.ndarray, "z y x"],
    /,
    *,
    voxel_size_um: tuple[float, float, float] | None,
    labels: bool = False,
) -> None:
    """Write a volume in the format of the file name's ending; if writing fails, no partial file is left.

    Parameters
    ----------
    path
        A name ending in ``.npy``, ``.npz``, ``.tif``, ``.zarr`` (OME-Zarr 0.5 with levels, sharded; for
        napari and Neuroglancer), ``.nii`` or ``.nii.gz`` (for ITK-SNAP).
    voxels
        The volume, ``(z, y, x)``.
    voxel_size_um
        Edges of a voxel in micrometres, ``(z, y, x)``, or ``None`` where nobody knows them: the file then
        states none. A ``.npy`` never does.
    labels
        Whether the voxels are labels: the levels of an OME-Zarr are then majorities, and its metadata say so;
        otherwise they are means, of whatever type.

    Raises
    ------
    ValueError
        If the ending is unknown, the format cannot hold the volume, or voxels are masked out.
    OSError
        If the file cannot be written.
    FileExistsError
        As `check_replaceable`.

    Examples
    --------
    >>> import tempfile
    >>> from mtneuro_data import open_volume
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_volume(f"{folder}/a.nii.gz", np.ones((2, 3, 4), np.uint8), voxel_size_um=(3, 2, 1))
    ...     volume = open_volume(f"{folder}/a.nii.gz")
    ...     volume.shape, volume.voxel_size_um
    ((2, 3, 4), (3.0, 2.0, 1.0))
    """
    path = Path(path)
    check_replaceable(path)
    kind = next((ending for ending in FORMATS if path.name.lower().endswith(ending)), None)
    if kind is None:
        raise ValueError(f"a volume's file must end in one of {', '.join(FORMATS)}, got {path.name}")
    if isinstance(voxels, np.ma.MaskedArray):
        raise ValueError("a volume's file keeps no mask: say what masked voxels are, voxels.filled(0)")
    voxels = voxels.astype(voxels.dtype.newbyteorder("="), copy=False)
    voxel_size_um = voxel_size(voxel_size_um, name=str(path))
    if kind == ".zarr":
        _save_ome_zarr(path, voxels, voxel_size_um, labels)
        return
    with written_beside(path) as beside:
        _write(beside, kind, voxels, voxel_size_um)


def check_replaceable(path: Path, /) -> None:
    """Raise unless a volume can be written without losing anything but an older volume of the same kind.

    Raises
    ------
    FileExistsError
        If a folder stands there, other than an OME-Zarr where one is written; or a file where one is.
    """
    if path.name.endswith(".zarr"):
        wanted, replaced = "an OME-Zarr", _is_ome_zarr(path)
    else:
        wanted, replaced = "a file", path.is_file()
    if path.exists() and not replaced:
        raise FileExistsError(
            f"only {wanted} may be replaced, and {path} is none: remove it first, or choose another name"
        )


def _is_ome_zarr(path: Path) -> bool:
    try:
        about = json.loads((path / "zarr.json").read_text("utf-8"))
        return "multiscales" in about["attributes"]["ome"]
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _write(path: Path, kind: str, voxels: np.ndarray, size: tuple[float, float, float] | None) -> None:
    if kind == ".npy":
        with path.open("wb") as file:  # of a name, NumPy changes an ending in capital letters
            np.save(file, voxels, allow_pickle=False)
    elif kind == ".npz":
        known: dict[str, Any] = {} if size is None else {"voxel_size_um": np.array(size, np.float64)}
        with path.open("wb") as file:
            np.savez(file, image=voxels, **known)
    elif kind in (".tif", ".tiff"):
        from mtneuro_data.sources.tiff import write_tiff

        write_tiff(path, voxels, voxel_size_um=size)
    else:
        from mtneuro_data.sources.nifti import nifti_bytes

        content = nifti_bytes(voxels, voxel_size_um=size)
        # mtime=0: the same volume always gives the same file.
        path.write_bytes(gzip.compress(content, 6, mtime=0) if kind == ".nii.gz" else content)


def _save_ome_zarr(
    path: Path, voxels: np.ndarray, size: tuple[float, float, float] | None, labels: bool
) -> None:
    import zarr

    with written_beside(path) as beside:
        group = zarr.open_group(str(beside), mode="w", zarr_format=3)
        scales: list[tuple[float, float, float]] = []
        while True:
            level = len(scales)
            group.create_array(
                str(level),
                data=voxels,
                chunks=_fitting(_CHUNK, voxels.shape),
                shards=_shards(voxels.shape),
                dimension_names=("z", "y", "x"),
            )
            z, y, x = size or (1.0, 1.0, 1.0)
            scales.append((z, y * 2**level, x * 2**level))
            if min(voxels.shape[1:]) < 2 * _SMALLEST_FACE or voxels.dtype.kind not in "uif":
                break
            voxels = _halved(voxels, labels)
        group.attrs["ome"] = multiscales(
            path.name, scales, unit=size is not None, labels=[BACKGROUND] if labels else None
        )


def _fitting(chunk: tuple[int, int, int], shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(min(size, extent) for size, extent in zip(chunk, shape, strict=True))


def _shards(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a shard: whole chunks, and no more of them than the volume needs."""
    return tuple(
        min(shard, -(-extent // chunk) * chunk)
        for shard, chunk, extent in zip(_SHARD, _fitting(_CHUNK, shape), shape, strict=True)
    )


def _halved(voxels: np.ndarray, labels: bool) -> np.ndarray:
    even = voxels[:, : voxels.shape[1] // 2 * 2, : voxels.shape[2] // 2 * 2]
    return downsampled_labels(even, 2) if labels else downsampled_images(even, 2)
