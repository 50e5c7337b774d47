"""Tubes of varying width, of which vessels and dendrites are made: how they are drawn, and how they look."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from mtneuro_data.phantom.profiles import brightness_at, profile

REACH = 4.0
"""Voxels from a tube's wall within which it changes the image (the bright halo)."""

# Brightness over the local background by distance from the annotated wall: lumen, edge, halo.
# The wall lies outside the place where the profile is steepest.
_DISTANCE = np.array([-8.0, -5.0, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.6, 2.3, 3.1, 4.0])
_RATIO = np.array([0.02, 0.01, 0.01, 0.01, 0.03, 0.06, 0.16, 0.38, 0.67, 0.9, 1.07, 1.17, 1.15, 1.06, 1.0])
_TRUNK_RATIO = np.array(
    [0.09, 0.04, 0.01, 0.02, 0.06, 0.17, 0.38, 0.64, 0.91, 1.12, 1.27, 1.36, 1.27, 1.10, 1.0]
)
_PROFILES = {
    "capillaries": profile(_DISTANCE, _RATIO),
    "trunks": profile(_DISTANCE, _TRUNK_RATIO),
    "dendrites": profile(_DISTANCE, _RATIO),  # as capillaries, but never as dark
}

_ROUND = 8  # voxels; the size of boxes around segments is rounded up to multiples of this
_TOGETHER = 1 << 15  # voxels of such boxes at a time, which stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Segments:
    """Straight pieces of tube, each from ``start`` to ``stop`` with its own radius at either end."""

    start: Float64[np.ndarray, "segments axes"]
    stop: Float64[np.ndarray, "segments axes"]
    radius_start: Float32[np.ndarray, " segments"]
    radius_stop: Float32[np.ndarray, " segments"]
    tone: Float32[np.ndarray, " segments"]
    """Contrast to the background, relative to an empty lumen's: the contents of a capillary make it paler."""


def dot(a: Float[np.ndarray, "places 3"], b: Float[np.ndarray, "places 3"]) -> Float[np.ndarray, " places"]:
    """Return scalar products, summed in a fixed order."""
    return a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2]


def unit(way: Float[np.ndarray, "places 3"]) -> Float[np.ndarray, "places 3"]:
    """Return the same directions at length 1, in the same precision."""
    return way / np.maximum(np.sqrt(dot(way, way)), way.dtype.type(1e-6))[:, None]


def drawn_tubes(
    segments: Segments, lower: tuple[int, ...], upper: tuple[int, ...]
) -> tuple[Float32[np.ndarray, "z y x"], Float32[np.ndarray, "z y x"]]:
    """Return each voxel's distance to the nearest wall of these tubes, and that tube's tone.

    The distance is below 0 in the lumen, and 100 from ``REACH`` on. Of equally near tubes the first counts.
    """
    size = np.array(upper) - np.array(lower)
    distance = np.full(size.prod(), np.float32(100))
    tone = np.zeros(len(distance), dtype=np.float32)
    pairs = list(_near_pairs(segments, np.array(lower), size))
    if pairs:
        voxel, gap, segment = map(np.concatenate, zip(*pairs, strict=True))
        np.minimum.at(distance, voxel, gap)
        reached = np.flatnonzero(gap == distance[voxel])
        reached = reached[np.argsort(-segment[reached], kind="stable")]  # the first is written last
        tone[voxel[reached]] = segments.tone[segment[reached]]
    return distance.reshape(size), tone.reshape(size)


def _near_pairs(
    segments: Segments, lower: Int64[np.ndarray, " 3"], size: Int64[np.ndarray, " 3"]
) -> Iterator[tuple[Int64[np.ndarray, " pairs"], Float32[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]]:
    """Yield voxels of the box, their distance to a segment's wall below ``REACH``, and the segment."""
    margin = (np.maximum(segments.radius_start, segments.radius_stop) + np.float32(REACH)).astype(np.float64)
    low = np.ceil(np.minimum(segments.start, segments.stop) - margin[:, None]).astype(np.int64)
    high = np.floor(np.maximum(segments.start, segments.stop) + margin[:, None]).astype(np.int64) + 1
    low = np.maximum(low - lower, 0)
    high = np.minimum(high - lower, size)
    inside = np.flatnonzero((high > low).all(axis=1))
    # Boxes around segments, a little too large, have few shapes; those of one shape are drawn together.
    shape = np.minimum(-(-(high - low)[inside] // _ROUND) * _ROUND, size)
    low = np.minimum(low[inside], size - shape)
    strides = np.array([size[1] * size[2], size[2], 1])
    for box in np.unique(shape, axis=0):
        steps = [np.arange(count) * stride for count, stride in zip(box, strides, strict=True)]
        offset = (steps[0][:, None, None] + steps[1][:, None] + steps[2]).ravel()
        alike = np.flatnonzero((shape == box).all(axis=1))
        count = max(_TOGETHER // len(offset), 1)
        for some in (alike[first : first + count] for first in range(0, len(alike), count)):
            gap = _outlines(segments, inside[some], low[some] + lower, box).reshape(-1)
            near = np.flatnonzero(gap < REACH)
            number, step = np.divmod(near, len(offset))
            yield (low[some] @ strides)[number] + offset[step], gap[near], inside[some][number]


def _outlines(
    segments: Segments,
    some: Int64[np.ndarray, " some"],
    corner: Int64[np.ndarray, "some 3"],
    shape: Int64[np.ndarray, " 3"],
) -> Float32[np.ndarray, "some z y x"]:
    """Return the distances to the walls of some segments, each in a box of that shape from its corner."""
    start = segments.start[some]
    way = (segments.stop[some] - start).astype(np.float32)
    step = way / np.maximum(dot(way, way), np.float32(1e-6))[:, None]
    z, y, x = (
        (corner[:, axis, None] + np.arange(shape[axis]) - start[:, axis, None]).astype(np.float32)
        for axis in range(3)
    )
    z, y, x = z[:, :, None, None], y[:, None, :, None], x[:, None, None, :]
    wz, wy, wx, sz, sy, sx = (values[:, None, None, None] for values in (*way.T, *step.T))
    t = (z * sz + y * sy) + x * sx
    np.maximum(t, np.float32(0), out=t)
    np.minimum(t, np.float32(1), out=t)
    outline = z - t * wz
    outline *= outline
    for place, part in ((y, wy), (x, wx)):
        gap = place - t * part
        gap *= gap
        outline += gap
    np.sqrt(outline, out=outline)
    t *= (segments.radius_stop - segments.radius_start)[some][:, None, None, None]
    t += segments.radius_start[some][:, None, None, None]
    outline -= t
    return outline


def tube_ratio(kind: str, distance: Float32[np.ndarray, " voxels"]) -> Float32[np.ndarray, " voxels"]:
    """Return the brightness over the local background at a distance from the nearest wall, in voxels."""
    return brightness_at(_PROFILES[kind], distance)
