"""Open volumes, maps and regions, and write figures."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64, Shaped

from mtneuro_probe._shared.files import written_beside
from mtneuro_probe._shared.ome import voxel_size
from mtneuro_probe._shared.terminal import Ranges
from mtneuro_probe._shared.volume_file import (
    BoundedArray,
    LazyArray,
    VolumeFile,
    is_zarr,
    mapped,
    open_volume_file,
    opened_archive,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def open_volume(
    uri: str,
    *,
    key: str,
    cube: str | None = None,
    first_z: int = 0,
    ranges: Ranges | None = None,
) -> VolumeFile:
    """Return a volume with an id for each of its images; it is read where it is sliced.

    Parameters
    ----------
    uri
        What ``open_volume_file`` takes.
    key
        Array of an ``.npz`` that is wanted: ``masks`` or ``images``.
    cube, first_z
        Where the file has no ids: the cube's name, by default the file's, and the number of the file's first
        slice.
    ranges
        Part of the volume to give.

    Raises
    ------
    FileNotFoundError, ValueError
        As ``open_volume_file``.
    """
    if uri.endswith(".npz") and Path(uri).is_file():
        with opened_archive(uri, what=f"a file of {key}") as archive:
            if "embeddings" in archive and key not in archive:
                raise ValueError(f"it holds no {key} but embeddings")
    volume = open_volume_file(uri, key=key, ranges=ranges)
    if volume.sample_id is not None:
        return volume
    name = cube or re.split(r"[.#?]", Path(uri).name)[0] or "volume"
    first = first_z + volume.lower[0]
    return replace(volume, sample_id=tuple(f"{name}/z{first + z}" for z in range(volume.array.shape[0])))


def open_embedding_map(path: str | os.PathLike[str]) -> tuple[LazyArray, tuple[float, ...] | None]:
    """Return a map of embeddings and the distance between neighbours in it; it is read where it is sliced.

    Parameters
    ----------
    path
        A Zarr array ``(y, x, features)`` or ``(z, y, x, features)``, or another file that
        ``open_volume_file`` takes, such as an ``.npy`` array.

    Returns
    -------
    array
        The map.
    step_um
        Distance on each axis but the last in micrometres, where the file says.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        If it is neither, or its voxel size is not a length for each axis.
    """
    target = Path(path)
    if target.suffix.lower() == ".npy" and target.is_file():
        return mapped(target), None  # its last axis holds features, which may be as few as channels
    if not is_zarr(target):
        return open_volume_file(target).array, None
    import zarr

    node = zarr.open(target, mode="r")
    if not isinstance(node, zarr.Array):
        raise ValueError(f"a map must be a Zarr array, got a group at {target}")
    stored: Any = node.attrs.get("voxel_size_um")
    # A slice's map may tell the two lengths in its plane alone.
    plane = isinstance(stored, Sequence) and len(stored) == 2 and len(node.shape) == 3
    size = voxel_size([1.0, *stored] if plane else stored, name=str(target))
    array = BoundedArray(node, name=str(target))
    return array, None if size is None else size[1 - len(node.shape) :]


def load_regions(
    path: str | os.PathLike[str],
) -> tuple[Shaped[np.ndarray, " samples"], Int64[np.ndarray, " samples"], list[str] | None]:
    """Return ids, region of each and region names of an ``.npz`` export.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it has no ``region`` and ``sample_id``, one entry a sample.
    """
    with opened_archive(path, what="a file of regions, an .npz with region and sample_id") as archive:
        region, ids, names = archive["region"], archive["sample_id"], archive.get("region_names")
    if region.ndim != 1 or region.dtype.kind not in "ui" or ids.shape != region.shape:
        raise ValueError(
            f"region in {path} must be integers, one a sample_id, got {region.dtype} of shape "
            f"{region.shape} for ids of shape {ids.shape}"
        )
    return ids, region.astype(np.int64), None if names is None else [str(name) for name in names]


def save_figure(path: str | os.PathLike[str], figure: "Figure") -> None:
    """Write a figure, whole or not at all, in the format that the path's ending names."""
    with written_beside(path) as beside:
        figure.savefig(beside, dpi=150)
