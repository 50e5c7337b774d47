"""The channels that a server offers, by path, and their descriptions in the database's form."""

import re
import threading
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from mtneuro_data._shared.ome import voxel_size
from mtneuro_data._shared.words import unknown_name
from mtneuro_data.box import Box, Corner
from mtneuro_data.reduction import downsampled_images, downsampled_labels
from mtneuro_data.sources.base import Kind
from mtneuro_data.volume import Volume

_PATH = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/){2}[A-Za-z0-9_][A-Za-z0-9_.-]*")
_TYPES = ("uint8", "uint16", "uint64")
_READ_AT_ONCE = 1 << 26
"""Most voxels of the finest level that are in memory for a box of a coarser one."""


class Catalogue:
    """Volumes by ``collection/experiment/channel``.

    Parameters
    ----------
    volumes
        Each channel's volume. The channels of one experiment share a coordinate frame, so they must
        have one shape, offset and voxel size. The frame begins at their offset.
    levels
        Resolution levels to offer; rows and columns halve with each, as area means of images and
        majorities of labels, computed when they are asked for.
    annotations
        Paths of the channels that hold labels. Any other is what its volume states, an image if it states
        nothing.
    voxel_size_um
        Edges of a voxel of all channels in micrometres, ``(z, y, x)``; by default what the volumes of an
        experiment state. Where none does, the database's descriptions say 0, and its OME-Zarr no unit.

    Raises
    ------
    ValueError
        If a path is malformed or unknown, a type is not one that the database knows, an offset is negative,
        or the channels of an experiment differ in shape, offset or voxel size.

    Examples
    --------
    >>> from mtneuro_data import open_volume
    >>> catalogue = Catalogue({"lab/scan/em": open_volume("phantom://image?shape=8,64,64")}, levels=2)
    >>> catalogue.shape("lab/scan/em", 1)
    (8, 32, 32)
    """

    def __init__(
        self,
        volumes: Mapping[str, Volume],
        *,
        levels: int = 1,
        annotations: Collection[str] = (),
        voxel_size_um: tuple[float, float, float] | None = None,
    ) -> None:
        if not volumes:
            raise ValueError("a server needs at least one channel, got none")
        if levels < 1:
            raise ValueError(f"levels must be 1 or more, got {levels}")
        self.volumes = dict(volumes)
        self.levels = levels
        self.lock = threading.Lock()
        self._starts: dict[str, Corner] = {}
        for path in annotations:
            if path not in volumes:
                raise ValueError(unknown_name("an annotation", path, volumes))
        self._kinds: dict[str, Kind] = {
            path: "annotation" if path in annotations else volume.kind or "image"
            for path, volume in self.volumes.items()
        }
        self._voxel_size_um = voxel_size(voxel_size_um, name="the served channels")
        frames: dict[str, tuple[str, Corner, Corner]] = {}
        for path, volume in self.volumes.items():
            if not _PATH.fullmatch(path):
                raise ValueError(f"a channel is named collection/experiment/channel, got {path!r}")
            experiment = path.rpartition("/")[0]
            first, shape, offset = frames.setdefault(experiment, (path, volume.shape, volume.offset))
            if volume.shape != shape:
                raise ValueError(
                    f"channels of one experiment must have one shape: {first} has {shape}, "
                    f"{path} has {volume.shape}"
                )
            if volume.offset != offset:
                raise ValueError(
                    f"channels of one experiment must have one offset: {first} has {offset}, "
                    f"{path} has {volume.offset}"
                )
            if min(offset) < 0:
                raise ValueError(
                    f"{path}: a database's frame must begin at 0 or later, got the offset {offset}; serve a "
                    "copy (mtneuro-data cutout)"
                )
            self.datatype(path)
            self.voxel_size_um(path)

    def datatype(self, path: str) -> str:
        """Return the database's type that holds a channel's voxels."""
        dtype = self.volumes[path].dtype
        for name in _TYPES:
            if dtype.kind in "bu" and dtype.itemsize <= np.dtype(name).itemsize:
                return name
        raise ValueError(f"{path}: the database holds {', '.join(_TYPES)}, got a volume of {dtype}")

    def kind(self, path: str) -> Kind:
        """Return whether a channel is an image or an annotation."""
        return self._kinds[path]

    def voxel_size_um(self, path: str) -> tuple[float, float, float] | None:
        """Return the edges of a voxel of a channel's experiment in micrometres, ``(z, y, x)``, if known."""
        if self._voxel_size_um is not None:
            return self._voxel_size_um
        experiment = path.rpartition("/")[0]
        stated = {
            other: volume.voxel_size_um
            for other, volume in self.volumes.items()
            if other.rpartition("/")[0] == experiment and volume.voxel_size_um is not None
        }
        if not stated:
            return None
        first, size = next(iter(stated.items()))
        for other, own in stated.items():
            if not np.allclose(own, size, rtol=1e-3, atol=0):
                raise ValueError(
                    f"channels of one experiment must have one voxel size: {first} has {size}, {other} has "
                    f"{own} (z, y, x) in micrometres; state one for all"
                )
        return size

    def shape(self, path: str, level: int) -> Corner:
        """Return a channel's shape at a level, ``(z, y, x)``."""
        z, y, x = self.volumes[path].shape
        return (z, y // 2**level, x // 2**level)

    def offset(self, path: str, level: int) -> Corner:
        """Return where a channel begins in its coordinate frame at a level, ``(z, y, x)``."""
        if path not in self._starts:
            # As the frame says that is served, so that what is asked for and what is answered agree.
            frame = self._frames(("-".join(path.split("/")[:2]),)) or {}
            self._starts[path] = (frame["z_start"], frame["y_start"], frame["x_start"])
        z, y, x = self._starts[path]
        return (z, y // 2**level, x // 2**level)

    def cutout(self, path: str, level: int, box: Box) -> np.ndarray:
        """Return a box at a level, in the database's type; it is counted from the first voxel."""
        factor = 2**level
        if level and box.size * factor**2 > _READ_AT_ONCE and box.size > 1:
            halves = _halves(box)
            return np.concatenate([self.cutout(path, level, half) for half in halves], _longest(box))
        lower, upper = ((z, y * factor, x * factor) for z, y, x in box)
        voxels = np.ascontiguousarray(self.volumes[path].read(lower, upper), self.datatype(path))
        if factor == 1:
            return voxels
        reduced = downsampled_images if self.kind(path) == "image" else downsampled_labels
        return np.ascontiguousarray(reduced(voxels, factor))

    def write(self, path: str, box: Box, voxels: np.ndarray) -> None:
        """Write a box at the finest level."""
        with self.lock:
            self.volumes[path].write(box.lower, voxels.astype(self.volumes[path].dtype))

    def description(self, parts: tuple[str, ...]) -> dict[str, Any] | None:
        """Return the JSON of a collection, experiment, channel or frame, or ``None`` if there is none.

        Parameters
        ----------
        parts
            ``("collection", C)``, ``("collection", C, "experiment", E)``, that and ``"channel", CH``, or
            ``("coord", F)``; without the last name, the list of names.
        """
        kinds, names = parts[::2], parts[1::2]
        if kinds == ("coord",):
            return self._frames(names)
        if kinds != ("collection", "experiment", "channel")[: len(kinds)] or not kinds:
            return None
        n = len(names)
        if n == 3:
            path = "/".join(names)
            return self._channel(path) if path in self.volumes else None
        paths = [path.split("/") for path in self.volumes]
        below = sorted({path[n] for path in paths if path[:n] == list(names)})
        if len(kinds) > n:
            return {f"{kinds[-1]}s": below} if below or not names else None
        if not below:
            return None
        if n == 1:
            return {**_named(names[0]), "experiments": below}
        return self._experiment(names, below)

    def _experiment(self, names: tuple[str, ...], channels: list[str]) -> dict[str, Any]:
        return {
            **_named(names[1]),
            "channels": channels,
            "collection": names[0],
            "coord_frame": "-".join(names),
            "num_hierarchy_levels": self.levels,
            "hierarchy_method": "anisotropic",
            "num_time_samples": 1,
            "time_step": None,
            "time_step_unit": "nanoseconds",
        }

    def _channel(self, path: str) -> dict[str, Any]:
        return {
            **_named(path.split("/")[2]),
            "experiment": path.split("/")[1],
            "default_time_sample": 0,
            "type": self.kind(path),
            "base_resolution": 0,
            "datatype": self.datatype(path),
            "sources": [],
            "downsample_status": "DOWNSAMPLED" if self.levels > 1 else "NOT_DOWNSAMPLED",
            "related": [],
            "storage_type": "spdb",
            "bucket": "",
            "cv_path": "",
        }

    def _frames(self, names: tuple[str, ...]) -> dict[str, Any] | None:
        frames = {"-".join(path.split("/")[:2]): path for path in self.volumes}
        if not names:
            return {"coords": sorted(frames)}
        if names[0] not in frames:
            return None
        volume = self.volumes[frames[names[0]]]
        # A frame must have numbers: 0 is no size that a voxel can have.
        sizes = self.voxel_size_um(frames[names[0]]) or (0, 0, 0)
        frame = {**_named(names[0]), "voxel_unit": "micrometers"}
        for axis, start, extent, size in zip("zyx", volume.offset, volume.shape, sizes, strict=True):
            frame |= {f"{axis}_start": start, f"{axis}_stop": start + extent, f"{axis}_voxel_size": size}
        return frame


def _longest(box: Box) -> int:
    return int(np.argmax(box.shape))


def _halves(box: Box) -> tuple[Box, Box]:
    """Return the two halves of a box along its longest axis."""
    axis = _longest(box)
    middle = (box.lower[axis] + box.upper[axis]) // 2
    lower, upper = list(box.lower), list(box.upper)
    lower[axis] = upper[axis] = middle
    return Box(box.lower, (upper[0], upper[1], upper[2])), Box((lower[0], lower[1], lower[2]), box.upper)


def _named(name: str) -> dict[str, Any]:
    return {"name": name, "public": True, "description": "", "creator": "local"}
