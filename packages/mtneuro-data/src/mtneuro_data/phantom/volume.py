"""The phantom: three aligned channels of one volume, any box of which is computed on demand."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from jaxtyping import UInt8

from mtneuro_data.phantom.appearance import Appearance
from mtneuro_data.phantom.areas import NATIVE_SHAPE, Areas
from mtneuro_data.phantom.levels import block_majorities, block_means
from mtneuro_data.phantom.render import Box, World, rendered

PHANTOM_VERSION: Final = 7
"""Increased whenever a voxel of any phantom changes; part of every fingerprint of its data."""

MAX_LEVEL: Final = 7
"""The coarsest level; one of its voxels is computed from two million."""

CHANNELS: Final = ("image", "roi_labels", "pixel_labels")
"""The channels, named as those of the real project."""

_TILE_VOXELS = 1 << 18

Rendered = dict[str, UInt8[np.ndarray, "z y x"]]


class Phantom:
    """One channel of a procedural thalamocortical volume.

    Every voxel follows from the seed, the shape and its coordinates: boxes may be read in any order, cut
    in any way, by any number of processes, and agree to the last bit. Nothing is stored, so a phantom of
    any size opens at once.

    Parameters
    ----------
    channel
        ``"image"`` (uint8 grey levels, exactly 0 outside the tissue), ``"roi_labels"`` (uint8: 0 outside,
        1 cortex, 2 striatum, 3 thalamic reticular nucleus, 4 ventral posterior nucleus, 5 zona incerta,
        6 internal capsule, 7 hypothalamus, 8 corpus callosum) or ``"pixel_labels"`` (uint8: 0 background,
        1 vessel, 2 cell, 3 axon).
    shape
        Size in voxels, ``(z, y, x)``. The areas' outlines are stretched to it; cells, vessels and bundles
        keep their size in micrometres.
    seed
        Another seed gives another animal.
    appearance
        How strong each part of the image's appearance is; by default as measured on real slices.

    Raises
    ------
    ValueError
        If there is no such channel, or the shape is not three positive sizes, or the seed is negative.

    Examples
    --------
    >>> image = Phantom("image")
    >>> image.shape, image.dtype, image.voxel_size_um
    ((720, 1420, 5805), dtype('uint8'), (1.17, 1.17, 1.17))
    >>> image.read((159, 900, 4600), (160, 964, 4664)).shape
    (1, 64, 64)
    >>> Phantom("roi_labels").read((159, 900, 4600), (160, 901, 4601)).item()
    1
    """

    version: Final = PHANTOM_VERSION
    voxel_size_um: Final = (1.17, 1.17, 1.17)

    def __init__(
        self, channel: str, *, shape: Box = NATIVE_SHAPE, seed: int = 0, appearance: Appearance | None = None
    ) -> None:
        if channel not in CHANNELS:
            raise ValueError(f"channel must be one of {', '.join(CHANNELS)}, got {channel!r}")
        if len(shape) != 3 or any(size < 1 for size in shape):
            raise ValueError(f"shape must be three positive sizes (z, y, x), got {tuple(shape)}")
        if seed < 0:
            raise ValueError(f"seed must be 0 or more, got {seed}")
        self.channel = channel
        self.shape: Box = (int(shape[0]), int(shape[1]), int(shape[2]))
        self.seed = int(seed)
        self.appearance = appearance or Appearance()
        self.dtype = np.dtype(np.uint8)
        self._world = World(
            seed=self.seed,
            shape=self.shape,
            areas=Areas(self.shape, seed=self.seed),
            appearance=self.appearance,
        )

    def __repr__(self) -> str:
        return f"Phantom({self.channel!r}, shape={self.shape}, seed={self.seed})"

    def read(self, lower: Box, upper: Box, *, level: int = 0) -> UInt8[np.ndarray, "z y x"]:
        """Return the voxels of a half-open box.

        Parameters
        ----------
        lower, upper
            First voxel, and the voxel after the last, on each axis ``(z, y, x)``, counted at ``level``.
        level
            Each level halves the resolution on all axes: its voxels are the means of ``2**level`` cubed
            voxels of level 0 (halves rounded to even), for labels their majority (of equals the smallest).

        Raises
        ------
        ValueError
            If the box is empty or reaches out of the volume, or there is no such level.

        Examples
        --------
        >>> Phantom("image").read((20, 112, 575), (21, 116, 579), level=3).shape
        (1, 4, 4)
        """
        shape = self.shape_at(level)
        _check_box(lower, upper, shape)
        if level == 0:
            return self._read(lower, upper, (self.channel,))[self.channel]
        result = np.empty(tuple(hi - lo for lo, hi in zip(lower, upper, strict=True)), dtype=np.uint8)
        reduced = block_means if self.channel == "image" else block_majorities
        factor = 2**level
        for start, stop in _tiles(lower, upper, max(_TILE_VOXELS // factor**3, 1)):
            place = tuple(slice(a - lo, b - lo) for a, b, lo in zip(start, stop, lower, strict=True))
            fine_stop = tuple(min(hi * factor, size) for hi, size in zip(stop, self.shape, strict=True))
            fine = self._read(_box([lo * factor for lo in start]), _box(fine_stop), (self.channel,))
            result[place] = reduced(fine[self.channel], (factor,) * 3)
        return result

    def shape_at(self, level: int) -> Box:
        """Return the size in voxels at a level of resolution; the last voxel of an axis may be a part.

        Examples
        --------
        >>> Phantom("image").shape_at(2)
        (180, 355, 1452)
        """
        if not 0 <= level <= MAX_LEVEL:
            raise ValueError(f"level must be 0 to {MAX_LEVEL}, got {level}")
        return _box([-(-size // 2**level) for size in self.shape])

    def voxel_size_um_at(self, level: int) -> tuple[float, float, float]:
        """Return the voxel size at a level of resolution, micrometres ``(z, y, x)``."""
        self.shape_at(level)
        z, y, x = self.voxel_size_um
        return z * 2**level, y * 2**level, x * 2**level

    def read_all(self, lower: Box, upper: Box) -> Rendered:
        """Return all three channels of a half-open box by name, computing their common geometry once."""
        _check_box(lower, upper, self.shape)
        return self._read(lower, upper, CHANNELS)

    def _read(self, lower: Box, upper: Box, channels: tuple[str, ...]) -> Rendered:
        lower, upper = _box(lower), _box(upper)
        size = tuple(hi - lo for lo, hi in zip(lower, upper, strict=True))
        result = {name: np.empty(size, dtype=np.uint8) for name in channels}
        # Tiles keep the memory for intermediate fields at that of one tile, whatever is asked for.
        for start, stop in _tiles(lower, upper, _TILE_VOXELS):
            place = tuple(slice(a - lo, b - lo) for a, b, lo in zip(start, stop, lower, strict=True))
            for name, voxels in rendered(self._world, start, stop, channels).items():
                result[name][place] = voxels
        return result


def _box(corner: Sequence[int]) -> Box:
    z, y, x = corner
    return int(z), int(y), int(x)


def _check_box(lower: Box, upper: Box, shape: Box) -> None:
    """Refuse a box that is empty or not inside the volume."""
    if len(lower) != 3 or len(upper) != 3:
        raise ValueError(f"a box needs (z, y, x) corners, got {tuple(lower)} and {tuple(upper)}")
    for axis, lo, hi, size in zip("zyx", lower, upper, shape, strict=True):
        if not 0 <= lo < hi <= size:
            raise ValueError(f"{axis} range must be non-empty and lie within [0, {size}), got [{lo}, {hi})")


def _tiles(lower: Box, upper: Box, voxels: int) -> Iterator[tuple[Box, Box]]:
    """Yield the corners of tiles that fill a box, of at most about that many voxels; thin ones are wide."""
    depth = min(upper[0] - lower[0], 32, voxels)
    width = max(min(upper[2] - lower[2], 128 if depth > 8 else 1024, voxels // depth), 1)
    height = max(voxels // (depth * width), 1)
    for z in range(lower[0], upper[0], depth):
        for y in range(lower[1], upper[1], height):
            for x in range(lower[2], upper[2], width):
                yield (
                    (z, y, x),
                    (min(z + depth, upper[0]), min(y + height, upper[1]), min(x + width, upper[2])),
                )
