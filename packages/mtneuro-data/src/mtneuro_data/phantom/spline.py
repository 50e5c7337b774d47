"""Smooth fields from values on a lattice, the same at a voxel whatever box it is read in.

Everything here is elementwise arithmetic in a fixed order on the voxel's own coordinates: no sum runs over
the box, so a box of one slice and a box of a hundred agree to the last bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from jaxtyping import Float32, Float64, Int64

from mtneuro_data.phantom.lattice import extended, noise_bits, stream_key

# A cubic B-spline over independent values of unit variance keeps 151/315 of it an axis; these undo that.
_SPLINE_GAIN = float(12**0.5 * (151 / 315) ** -1.5)
# The same for the smoothstep interpolation of values uniform in [-1, 1).
_POINT_GAIN = float(3**0.5 * (1 - 2 * (0.5 - 13 / 35)) ** -1.5)


@dataclass(frozen=True, slots=True)
class _Axis:
    first: int
    """The lowest lattice index that the box needs."""
    count: int
    index: Int64[np.ndarray, " voxels"]
    """Each voxel's first of four lattice indices, relative to ``first``."""
    weights: Float32[np.ndarray, "taps voxels"]
    shares: Float32[np.ndarray, "fewer voxels"]
    """The weights of the second and third of the four alone, for linear interpolation."""


def _axis(lower: int, upper: int, spacing: float) -> _Axis:
    """Return the cubic B-spline weights of voxels ``lower`` to ``upper`` on a lattice of that spacing."""
    if spacing == 1:
        own = np.arange(upper - lower)
        alone = np.ones((1, upper - lower), dtype=np.float32)
        return _Axis(lower, upper - lower, own, alone, alone)
    place = np.arange(lower, upper, dtype=np.float64) / spacing
    base = np.floor(place)
    t = place - base
    weights = np.stack(
        [
            (1 - t) * (1 - t) * (1 - t) / 6,
            (3 * t * t * t - 6 * t * t + 4) / 6,
            (-3 * t * t * t + 3 * t * t + 3 * t + 1) / 6,
            t * t * t / 6,
        ]
    ).astype(np.float32)
    index = base.astype(np.int64) - 1
    first = int(index[0])
    shares = np.stack([1 - t, t]).astype(np.float32)
    return _Axis(first, int(index[-1]) - first + 4, index - first, weights, shares)


class SplineGrid:
    """The lattice under a box, and the interpolation from values on it to a value for each voxel.

    Parameters
    ----------
    lower, upper
        The half-open box, ``(z, y, x)`` in voxels.
    spacing
        Distance of lattice sites in voxels, ``(z, y, x)``; at 1 the values stand at the voxels themselves and
        are not smoothed along that axis.

    Examples
    --------
    >>> grid = SplineGrid((0, 0, 0), (2, 8, 8), spacing=(4, 4, 4))
    >>> grid.field(np.ones(grid.shape, dtype=np.float32)).round(3).min()
    np.float32(1.0)
    """

    def __init__(self, lower: Sequence[int], upper: Sequence[int], *, spacing: Sequence[float]) -> None:
        self._axes = [_axis(lo, hi, step) for lo, hi, step in zip(lower, upper, spacing, strict=True)]
        self._spacing = tuple(spacing)
        self.shape = tuple(axis.count for axis in self._axes)
        self.box = tuple(hi - lo for lo, hi in zip(lower, upper, strict=True))

    @property
    def sites(self) -> list[Int64[np.ndarray, "..."]]:
        """Lattice indices, one open array an axis."""
        z, y, x = (np.arange(axis.first, axis.first + axis.count) for axis in self._axes)
        return [z[:, None, None], y[:, None], x]

    @property
    def coordinates(self) -> list[Float64[np.ndarray, "..."]]:
        """Positions of the sites in voxels, one open array an axis."""
        return [site * float(step) for site, step in zip(self.sites, self._spacing, strict=True)]

    def field(self, values: Float32[np.ndarray, "nz ny nx"]) -> Float32[np.ndarray, "z y x"]:
        """Return the spline through ``values`` (its control points) at each voxel of the box."""
        return self._summed(values, [(axis.weights, 0) for axis in self._axes])

    def between(self, values: Float32[np.ndarray, "nz ny nx"]) -> Float32[np.ndarray, "z y x"]:
        """Return ``values`` interpolated linearly at each voxel: for fields that hardly change over a site.

        Takes half as long as `field`.

        Examples
        --------
        >>> grid = SplineGrid((0, 0, 0), (1, 1, 8), spacing=(4, 4, 4))
        >>> x = np.broadcast_to(grid.coordinates[2].astype(np.float32), grid.shape)
        >>> grid.between(x)[0, 0].astype(int)
        array([0, 1, 2, 3, 4, 5, 6, 7])
        """
        return self._summed(values, [(axis.shares, 1 if len(axis.shares) > 1 else 0) for axis in self._axes])

    def _summed(
        self, values: Float32[np.ndarray, "nz ny nx"], axes: list[tuple[Float32[np.ndarray, "..."], int]]
    ) -> Float32[np.ndarray, "z y x"]:
        """Return weighted sums of values, given each axis's weights and the first tap that they are for."""
        for number in (0, 2, 1):  # z first, which spares single slices most; y last, over contiguous rows
            index = self._axes[number].index
            weights, first = axes[number]
            if len(weights) == 1:
                continue
            shape = [1, 1, 1]
            shape[number] = -1
            total = values.take(index + first, axis=number)
            total *= weights[0].reshape(shape)
            for tap in range(1, len(weights)):
                term = values.take(index + (first + tap), axis=number)
                term *= weights[tap].reshape(shape)
                total += term
            values = total
        return values


def noise(
    seed: int, stream: int, lower: Sequence[int], upper: Sequence[int], *, spacing: Sequence[float]
) -> Float32[np.ndarray, "z y x"]:
    """Return band-limited noise of mean 0 and standard deviation 1.

    Its correlation is near a Gaussian's of standard deviation ``0.82 * spacing``, that of white noise
    smoothed with ``0.58 * spacing``.
    """
    grid = SplineGrid(lower, upper, spacing=spacing)
    z, y, x = grid.sites
    bits = noise_bits(extended(extended(stream_key(seed, stream), 0, z), 1, y), x) >> np.uint64(40)
    values = bits.astype(np.float32)
    values *= np.float32(2.0**-24 * _SPLINE_GAIN)
    values -= np.float32(0.5 * _SPLINE_GAIN)
    return grid.field(values)


def white_noise(
    seed: int, stream: int, lower: Sequence[int], upper: Sequence[int]
) -> Float32[np.ndarray, "z y x"]:
    """Return noise of mean 0 and standard deviation 1, independent from voxel to voxel."""
    z, y, x = (np.arange(lo, hi) for lo, hi in zip(lower, upper, strict=True))
    bits = noise_bits(extended(extended(stream_key(seed, stream), 0, z[:, None, None]), 1, y[:, None]), x)
    values = (bits >> np.uint64(40)).astype(np.float32)
    values *= np.float32(2.0**-24 * 12**0.5)
    values -= np.float32(3**0.5)
    return values


def point_noise(
    seed: int, stream: int, *place: Float64[np.ndarray, "..."], fields: int = 1
) -> list[Float32[np.ndarray, "..."]]:
    """Return smooth noises of mean 0 and standard deviation 1 at places in units of their own lattice.

    Slower per point than `noise`, but the places may lie anywhere (rotated, warped). Up to two independent
    fields cost little more than one.
    """
    size = np.broadcast_shapes(*(axis.shape for axis in place))
    totals = [np.zeros(size, dtype=np.float32) for _ in range(fields)]
    if 0 in size:
        return totals
    floors = [np.floor(axis) for axis in place]
    parts = [(axis - floor).astype(np.float32) for axis, floor in zip(place, floors, strict=True)]
    rise = [t * t * (np.float32(3) - np.float32(2) * t) for t in parts]
    (z0, z1), (y0, y1), (x0, x1) = ((np.float32(1) - t, t) for t in rise)
    first = [int(floor.min()) for floor in floors]
    count = [int(floor.max()) - lowest + 2 for floor, lowest in zip(floors, first, strict=True)]
    steps = (count[1] * count[2], count[2], 1)
    site = sum(
        (floor - lowest).astype(np.int64) * step
        for floor, lowest, step in zip(floors, first, steps, strict=True)
    )
    # Places far apart, as in a volume shrunk to a few voxels, span more sites than they touch.
    sparse = prod(count) > 8 * prod(size)
    lattice = [] if sparse else _lattice(seed, stream, first, count, fields)
    whole = [floor.astype(np.int64) for floor in floors] if sparse else []
    for dz, weight_z in enumerate((z0, z1)):
        for dy, weight_y in enumerate((y0, y1)):
            weight_zy = weight_z * weight_y
            for dx, weight_x in enumerate((x0, x1)):
                weight = weight_zy * weight_x
                if sparse:
                    sites = (axis + step for axis, step in zip(whole, (dz, dy, dx), strict=True))
                    drawn = _site_values(seed, stream, *sites, fields=fields)
                else:
                    corner = site + (dz * steps[0] + dy * steps[1] + dx)
                    drawn = [values.take(corner) for values in lattice]
                for value, total in zip(drawn, totals, strict=True):
                    value *= weight
                    total += value
    for total in totals:
        total *= np.float32(_POINT_GAIN)
    return totals


def _lattice(
    seed: int, stream: int, first: Sequence[int], count: Sequence[int], fields: int
) -> list[Float32[np.ndarray, " sites"]]:
    """Return values uniform in [-1, 1) at a box of lattice sites, one array a field."""
    z, y, x = (np.arange(lowest, lowest + size) for lowest, size in zip(first, count, strict=True))
    values = _site_values(seed, stream, z[:, None, None], y[:, None], x, fields=fields)
    return [value.ravel() for value in values]


def _site_values(
    seed: int, stream: int, *site: Int64[np.ndarray, "..."], fields: int
) -> list[Float32[np.ndarray, "..."]]:
    """Return values uniform in [-1, 1) at lattice sites, one array a field."""
    z, y, x = site
    bits = noise_bits(extended(extended(stream_key(seed, stream), 0, z), 1, y), x)
    values: list[Float32[np.ndarray, "..."]] = []
    for number in range(fields):
        drawn = (bits >> np.uint64(40 - 24 * number)) & np.uint64(0xFFFFFF)
        value = drawn.astype(np.float32)
        value *= np.float32(2.0**-23)
        value -= np.float32(1)
        values.append(value)
    return values
