"""Create and write the Zarr of a whole volume's labels: one array, or an OME-Zarr with levels for viewers."""

import errno
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float16, UInt8

from mtneuro_seg._shared import ome as ome_zarr
from mtneuro_seg._shared.files import link_target, rename_into_place, synchronise, written_beside
from mtneuro_seg.colours import class_rgb
from mtneuro_seg.files import check_zarr_path

_UNFINISHED = ".partial"
"""Ending of the files that Zarr renames when they are whole; a process that was killed leaves them."""

_PLANE_SHARD = 1024
_CHUNK = 64
_SMALLEST_FACE = 128
"""Least number of pixels along y and x in a level."""


def is_ome_zarr(path: Path) -> bool:
    """Return whether a name asks for OME-Zarr.

    Examples
    --------
    >>> is_ome_zarr(Path("labels.ome.zarr")), is_ome_zarr(Path("labels.zarr"))
    (True, False)
    """
    return path.name.endswith(".ome.zarr")


def zarr_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a Zarr to be written.

    Raises
    ------
    ValueError, OSError
        As `check_zarr_path`.
    """
    target = Path(path)
    check_zarr_path(target)
    return target


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the labels and probabilities of one volume are stored, and what their metadata say."""

    shard_depth: int
    """Slices of a shard."""

    class_names: Sequence[str]
    """A name for every label, background first."""

    voxel_size_um: Sequence[float] | None = None
    """Voxel size ``(z, y, x)`` in micrometres, where it is known."""

    lower: Sequence[int] = (0, 0, 0)
    """First voxel ``(z, y, x)`` in the larger volume that this one was cut from."""

    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    """Attributes of the array, or of the finest level."""

    @property
    def edges(self) -> tuple[float, float, float]:
        """Edges of a voxel ``(z, y, x)``: in micrometres, or in voxels where their size is not known."""
        z, y, x = self.voxel_size_um or (1, 1, 1)
        return float(z), float(y), float(x)

    def group(self, name: str, scales: Sequence[Sequence[float]], **more: Any) -> dict[str, Any]:
        """Return the metadata of an OME-Zarr whose levels have these voxel sizes.

        A volume that was cut from a larger one lies where it was: each level is moved by the size of what
        was cut off before it.
        """
        about = ome_zarr.multiscales(name, scales, unit=self.voxel_size_um is not None, **more)
        if any(self.lower):
            corner = [first * edge for first, edge in zip(self.lower, self.edges, strict=True)]
            moved = {"type": "translation", "translation": [0.0] * (len(scales[0]) - 3) + corner}
            for level in about["multiscales"][0]["datasets"]:
                level["coordinateTransformations"].append(moved)
        return about


def create_labels(path: Path, shape: tuple[int, int, int], *, ome: bool, layout: Layout) -> None:
    """Make the empty uint8 labels ``(z, y, x)``, whose shards are as deep as a row of work.

    An OME-Zarr gets levels that halve y and x down to 128 pixels; each takes every second voxel of the one
    before, so no new label values arise.
    """
    if not ome:
        _create(path, shape, "uint8", layout=layout)
        return
    scales = _level_scales(shape, layout.edges)
    for level in range(len(scales)):
        smaller = (shape[0], *(-(-n // 2**level) for n in shape[1:]))
        kept = layout if level == 0 else replace(layout, attributes={})
        _create(path / str(level), smaller, "uint8", layout=kept)
    _write_group(path, layout.group("labels", scales, labels=_coloured_labels(layout.class_names)))


def create_probabilities(path: Path, shape: tuple[int, int, int, int], *, ome: bool, layout: Layout) -> None:
    """Make the empty probabilities ``(class, z, y, x)``: float16, or an OME-Zarr with a channel a class.

    The OME-Zarr holds the same values as float32: Neuroglancer reads no float16.
    """
    if not ome:
        _create(path, shape, "float16", layout=layout)
        return
    _create(path / "0", shape, "float32", layout=layout)
    _write_group(path, layout.group("probabilities", [(1.0, *layout.edges)]))


def write_labels(path: Path, labels: UInt8[np.ndarray, "z y x"], *, start: int) -> None:
    """Write whole rows of shards, from slice ``start`` on, into every level."""
    for level, array in enumerate(_levels(path)):
        array[start : start + len(labels)] = labels[:, :: 2**level, :: 2**level]


def write_probabilities(path: Path, shares: Float16[np.ndarray, "class z y x"], *, start: int) -> None:
    """Write whole rows of shards, from slice ``start`` on."""
    for array in _levels(path):
        array[:, start : start + shares.shape[1]] = shares.astype(array.dtype)


def move_into_place(partial: Path, target: Path) -> None:
    """Rename a finished Zarr into place; does nothing if that was done before an interruption.

    An older one is removed once the new one stands in its place. A link is written through, to another disk
    as well.
    """
    if not partial.exists():
        return
    for path in partial.rglob(f"*{_UNFINISHED}"):
        path.unlink()
    place = link_target(target)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        rename_into_place(partial, place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with written_beside(place) as beside:
            shutil.copytree(partial, beside)
        shutil.rmtree(partial)


def synchronise_row(path: Path, row: int) -> None:
    """Wait until a row of shards is on the disk, in every level."""
    # Before the shard's place along z comes, of probabilities, that along the classes.
    places = (f"c/{row}/*/*", f"c/0/{row}/*/*")
    shards = [shard for place in places for shard in path.rglob(place) if shard.is_file()]
    folders = {folder for shard in shards for folder in shard.parents if folder.is_relative_to(path)}
    for written in (*shards, *folders):
        synchronise(written)


def _levels(path: Path) -> list[Any]:
    """Return the arrays of all levels, the finest first."""
    import zarr

    node = zarr.open(path, mode="r+")
    if isinstance(node, zarr.Array):
        return [node]
    return [node[str(level)] for level in range(len(list(node.array_keys())))]


def _create(path: Path, shape: tuple[int, ...], dtype: str, *, layout: Layout) -> None:
    import zarr

    shard_depth = layout.shard_depth
    inner = next(size for size in range(min(_CHUNK, shard_depth), 0, -1) if shard_depth % size == 0)
    plane = [-(-min(n, _PLANE_SHARD) // _CHUNK) * _CHUNK for n in shape[-2:]]
    lead = shape[:-3]
    zarr.create_array(
        path,
        shape=shape,
        dtype=dtype,
        shards=(*lead, shard_depth, *plane),
        chunks=(*(1 for _ in lead), inner, _CHUNK, _CHUNK),
        dimension_names=("class", "z", "y", "x")[-len(shape) :],
        attributes=layout.attributes,
    )


def _write_group(path: Path, about: dict[str, Any]) -> None:
    import zarr

    zarr.open_group(path, mode="a", zarr_format=3).attrs["ome"] = about


def _level_scales(shape: tuple[int, int, int], edges: tuple[float, float, float]) -> list[tuple[float, ...]]:
    z, y, x = edges
    levels = 1
    while min(shape[1:]) >= 2**levels * _SMALLEST_FACE:
        levels += 1
    return [(z, y * 2**level, x * 2**level) for level in range(levels)]


def _coloured_labels(class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Return value, name and colour of each label, as viewers of OME-Zarr read them."""
    colours = [(0, 0, 0, 0), *((*rgb, 255) for rgb in class_rgb(class_names))]
    return [
        {"value": value, "name": name, "rgba": rgba}
        for value, (name, rgba) in enumerate(zip(class_names, colours, strict=True))
    ]
