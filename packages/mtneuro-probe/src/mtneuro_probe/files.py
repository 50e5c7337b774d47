"""Open volumes, maps and archives, and write maps and figures."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64, Shaped

from mtneuro_probe._shared.files import written_beside
from mtneuro_probe._shared.ome import voxel_size
from mtneuro_probe._shared.terminal import Ranges
from mtneuro_probe._shared.volume_file import VolumeFile, is_zarr, open_volume_file, opened_archive
from mtneuro_probe.types import ArraySource

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
    volume = open_volume_file(uri, key=key, ranges=ranges)
    if volume.sample_id is not None:
        return volume
    name = cube or re.split(r"[.#?]", Path(uri).name)[0] or "volume"
    first = first_z + volume.lower[0]
    return replace(volume, sample_id=tuple(f"{name}/z{first + z}" for z in range(volume.array.shape[0])))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapFile:
    """A map of embeddings or of a feature, and its scale."""

    array: ArraySource
    """``(y, x)`` or ``(z, y, x)``, and the features of embeddings behind; read where it is sliced."""

    step_um: tuple[float, ...] | None
    """Distance between neighbouring places on each axis in micrometres, where the file says."""


def open_map(path: str | os.PathLike[str]) -> MapFile:
    """Return a map of embeddings, or a Zarr array with the map of a feature.

    Parameters
    ----------
    path
        A Zarr array, whose axes need no names, or another file that ``open_volume_file`` takes, such as an
        ``.npy`` array.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        If it is neither, or its voxel size is no lengths.
    """
    target = Path(path)
    if not is_zarr(target):
        return MapFile(array=open_volume_file(target).array, step_um=None)
    import zarr

    node = zarr.open(target, mode="r")
    if not isinstance(node, zarr.Array):
        raise ValueError(f"a map must be a Zarr array, got a group at {target}")
    stored = node.attrs.get("voxel_size_um")
    if not isinstance(stored, Sequence) or len(stored) not in (2, 3):
        return MapFile(array=node, step_um=None)
    size = voxel_size((1.0, *stored)[-3:], name=str(target))
    return MapFile(array=node, step_um=None if size is None else size[-len(stored) :])


def read_arrays(
    path: str | os.PathLike[str], *, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Return arrays of an ``.npz`` by name, those of ``optional`` where it has them.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no archive of plain arrays, or a required one is missing.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"an .npz must exist, found none at {path}")
    with opened_archive(path) as archive:
        if any(name not in archive for name in required):
            held = ", ".join(archive) or "nothing"
            raise ValueError(f"it must hold the arrays {', '.join(required)}, got {held}")
        return {name: archive[name] for name in (*required, *optional) if name in archive}


def load_regions(
    path: str | os.PathLike[str],
) -> tuple[Shaped[np.ndarray, " samples"], Int64[np.ndarray, " samples"], list[str] | None]:
    """Return ids, region of each and region names of an ``.npz`` export.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        If it has no ``region`` and ``sample_id``, one entry a sample.
    """
    held = read_arrays(path, required=("region", "sample_id"), optional=("region_names",))
    region, ids = held["region"], held["sample_id"]
    if region.ndim != 1 or region.dtype.kind not in "ui" or ids.shape != region.shape:
        raise ValueError(
            f"region in {path} must be integers, one a sample_id, got {region.dtype} of shape "
            f"{region.shape} for ids of shape {ids.shape}"
        )
    names = held.get("region_names")
    return ids, region.astype(np.int64), None if names is None else [str(name) for name in names]


def save_map(path: str | os.PathLike[str], values: Shaped[np.ndarray, "..."]) -> None:
    """Write a map as an ``.npy`` array, whole or not at all."""
    with written_beside(path) as beside:
        np.save(beside, values, allow_pickle=False)


def save_figure(path: str | os.PathLike[str], figure: "Figure") -> None:
    """Write a figure, whole or not at all, in the format that the path's ending names."""
    with written_beside(path) as beside:
        figure.savefig(beside, dpi=150)
