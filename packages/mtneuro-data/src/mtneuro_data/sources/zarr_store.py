"""Zarr arrays of version 2 and 3, and OME-Zarr groups."""

from typing import Any

import numpy as np

from mtneuro_data._shared.ome import is_of_labels
from mtneuro_data._shared.volume_file import BoundedArray, VolumeFile, open_zarr, zarr_node
from mtneuro_data.box import Box
from mtneuro_data.sources.array_file import checked
from mtneuro_data.sources.base import File, Kind, Source, WritableSource


class ZarrSource(Source):
    """A Zarr array of three axes."""

    def __init__(self, found: VolumeFile, store: str) -> None:
        self._store = store
        self._has_class_names = found.class_names is not None
        self._array = found.array
        self._name = found.name
        z, y, x = found.array.shape
        self.shape = (z, y, x)
        self.dtype = found.array.dtype
        self.voxel_size_um = found.voxel_size_um
        self.chunks = getattr(found.array, "chunks", None)

    @property
    def kind(self) -> Kind | None:
        """An annotation if it names its classes or is an OME-Zarr image of labels; else not stated."""
        labels = is_of_labels(zarr_node(self._store).attrs.asdict())
        return "annotation" if labels or self._has_class_names else None

    def read(self, box: Box, /) -> np.ndarray:
        """Return the voxels of a box.

        Raises
        ------
        ValueError
            If a chunk is not what the store's description says, or the box is larger than memory.
        """
        try:
            return np.asarray(self._array[box.slices])
        except (ValueError, RuntimeError, MemoryError) as error:
            raise ValueError(
                f"{self._name}: the box {box.lower} to {box.upper} cannot be read: {error}"
            ) from error


class WritableZarrSource(ZarrSource, WritableSource):
    """A Zarr array that can be written, by one process at a time."""

    def __init__(self, found: VolumeFile, store: str) -> None:
        import zarr

        super().__init__(found, store)
        if not isinstance(found.array, BoundedArray):
            raise ValueError(f"{found.name} can be written only if its axes are z, y, x")
        self._writable: Any = zarr.open_array(store, path=found.array.path, mode="r+")

    def write(self, box: Box, voxels: np.ndarray, /) -> None:
        """Write a box."""
        self._writable[box.slices] = voxels


def open_folder(file: File, /) -> ZarrSource:
    """Return a Zarr array, or the level of an OME-Zarr group that the key says, the finest by default.

    Raises
    ------
    ValueError
        If the store cannot be read, has no such level, or does not hold an array of the axes ``(z, y, x)``.
    """
    if file.writable and file.path.is_file():
        raise ValueError(f"only a .npy file or a Zarr array can be written, not in a zip, got {file.path}")
    found = checked(open_zarr(file.path, level=file.key))
    kind = WritableZarrSource if file.writable else ZarrSource
    return kind(found, str(file.path))
