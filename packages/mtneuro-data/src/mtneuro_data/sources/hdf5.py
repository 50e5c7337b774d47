"""HDF5 files, in which ilastik and much of connectomics keep volumes; the array's name follows a ``#``."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from mtneuro_data._shared.extras import check_extra
from mtneuro_data._shared.words import one_line
from mtneuro_data.sources.array_file import ArraySource, Oriented
from mtneuro_data.sources.base import File
from mtneuro_data.sources.lengths import stated_size

_SIZES = ("element_size_um", "voxel_size_um")
"""Attributes of an array that hold the edges of a voxel ``(z, y, x)`` in micrometres."""


def open_hdf5(file: File, /) -> ArraySource:
    """Return an array of an HDF5 file as a volume ``(z, y, x)``, read where it is sliced.

    Without a key, the only array of three axes is taken. Axes are those that ilastik's ``axistags`` or the
    labels of the dimensions name, otherwise z, y, x. The voxel size is the attribute ``element_size_um``, or
    ``resolution`` where ``unit`` or ``units`` stands beside it.

    Raises
    ------
    ValueError
        If the extra ``hdf5`` is not installed, the file is no HDF5 file, has no such array, several that may
        be meant, or the array is no volume.
    """
    check_extra("h5py", extra="hdf5", what=str(file.path))
    import h5py

    try:
        opened = h5py.File(file.path, "r")
    except OSError as error:
        if isinstance(error, (FileNotFoundError, PermissionError)):
            raise
        raise ValueError(f"{file.path} is not a readable HDF5 file: {one_line(error)}") from None
    arrays: dict[str, Any] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = item

    opened.visititems(collect)
    name = _chosen(arrays, file)
    dataset = arrays[name]
    axes = _axes(dataset)
    array = Oriented(_Dataset(dataset, f"{file.path}#{name}"), axes, name=f"{file.path}#{name}")
    return ArraySource(array, voxel_size_um=_voxel_size(dict(dataset.attrs), axes))


class _Dataset:
    """An array of a file that says in words what keeps it from being read."""

    def __init__(self, dataset: Any, name: str) -> None:
        self._dataset, self._name = dataset, name
        self.shape: tuple[int, ...] = dataset.shape or ()
        self.dtype: np.dtype[Any] = dataset.dtype

    def __getitem__(self, key: Any, /) -> Any:
        try:
            return self._dataset[key]
        except OSError as error:
            told = one_line(error)
            hint = "; pip install hdf5plugin, and import it before" if "filter" in told else ""
            raise ValueError(f"{self._name} cannot be read: {told}{hint}") from None


def _chosen(arrays: Mapping[str, Any], file: File) -> str:
    """Return the name of the array that is meant."""
    told = ", ".join(f"{name} {each.shape} {each.dtype}" for name, each in arrays.items()) or "none"
    if file.key is not None:
        name = file.key.strip("/")
        if name not in arrays:
            raise ValueError(f"{file.path} has no array {name!r}, only {told}")
        return name
    volumes = [name for name, each in arrays.items() if len(_space(each)) == 3]
    if len(volumes) != 1 and len(arrays) != 1:
        raise ValueError(
            f"{file.path} must hold one array of three axes, or one is named as FILE.h5#NAME: {told}"
        )
    return volumes[0] if volumes else next(iter(arrays))


def _space(dataset: Any) -> list[str]:
    numbers = dataset.dtype.kind in "buif" and dataset.shape
    return [axis for axis in _axes(dataset) if axis in ("z", "y", "x")] if numbers else []


def _axes(dataset: Any) -> tuple[str, ...]:
    """Return the names of an array's axes, in their order."""
    n = len(dataset.shape or ())
    tags = dataset.attrs.get("axistags")
    if tags is not None:
        try:
            names = [str(axis["key"]).lower() for axis in json.loads(tags)["axes"]]
        except (ValueError, LookupError, TypeError):
            names = []
        if len(names) == n:
            return tuple(names)
    labels = [str(dimension.label).lower() for dimension in dataset.dims] if n else []
    if n and all(labels):
        return tuple(labels)
    return tuple(f"axis {place}" for place in range(n - 3)) + ("z", "y", "x")[-n:] if n else ()


def _voxel_size(about: Mapping[str, Any], axes: tuple[str, ...]) -> tuple[float, float, float] | None:
    for name in _SIZES:
        if name in about:
            return stated_size(np.ravel(about[name]).tolist(), 1.0)
    unit = about.get("units", about.get("unit"))
    if "resolution" not in about or unit is None:
        return None
    space = [axis for axis in axes if axis in ("z", "y", "x")]
    sizes, units = np.ravel(about["resolution"]).tolist(), np.ravel(unit).tolist()
    if len(sizes) != 3 or len(space) != 3 or len(units) not in (1, 3):
        return None
    units = units * (3 // len(units))
    order = [space.index(axis) for axis in "zyx"]
    return stated_size([sizes[place] for place in order], [units[place] for place in order])
