"""Tubes of varying width, of which vessels and dendrites are made: how they are drawn, and how they look."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64

REACH = 4.0
"""Voxels from a tube's wall within which it changes the image (the bright halo)."""

# Brightness over the local background by distance from the wall, as vessels are annotated: lumen, edge, halo.
# That wall lies outside the steepest place.
_DISTANCE = np.array([-8.0, -5.0, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.6, 2.3, 3.1, 4.0])
_RATIO = np.array([0.02, 0.01, 0.01, 0.01, 0.03, 0.06, 0.16, 0.38, 0.67, 0.9, 1.06, 1.16, 1.15, 1.06, 1.0])
_TRUNK_RATIO = np.array(
    [0.09, 0.04, 0.01, 0.02, 0.06, 0.17, 0.38, 0.64, 0.91, 1.12, 1.27, 1.36, 1.27, 1.10, 1.0]
)
_STEPS = 32


def _profile(ratio: Float64[np.ndarray, " knots"]) -> Float32[np.ndarray, " steps"]:
    """Return a brightness profile at every thirty-second of a voxel from 8 inside the wall outwards."""
    place = np.arange(-8 * _STEPS, int(REACH) * _STEPS + 2) / _STEPS
    return np.interp(place, _DISTANCE, ratio).astype(np.float32)


_PROFILES = {
    "capillaries": _profile(_RATIO),
    "trunks": _profile(_TRUNK_RATIO),
    "dendrites": _profile(_RATIO),  # as capillaries, but never as dark
}


@dataclass(frozen=True, slots=True)
class Segments:
    """Straight pieces of tube, each from ``start`` to ``stop`` with its own radius at either end."""

    start: Float64[np.ndarray, "segments axes"]
    stop: Float64[np.ndarray, "segments axes"]
    radius_start: Float32[np.ndarray, " segments"]
    radius_stop: Float32[np.ndarray, " segments"]
    tone: Float32[np.ndarray, " segments"]
    """Contrast to the background, as a share of an empty lumen's: what fills a capillary makes it paler."""


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

    The distance is below 0 in the lumen, and 100 far off.
    """
    size = [hi - lo for lo, hi in zip(lower, upper, strict=True)]
    distance = np.full(size, np.float32(100))
    tone = np.zeros(size, dtype=np.float32)
    grid = [np.arange(lo, hi, dtype=np.float64) for lo, hi in zip(lower, upper, strict=True)]
    margin = (np.maximum(segments.radius_start, segments.radius_stop) + np.float32(REACH)).astype(np.float64)
    low = np.ceil(np.minimum(segments.start, segments.stop) - margin[:, None]).astype(np.int64)
    high = np.floor(np.maximum(segments.start, segments.stop) + margin[:, None]).astype(np.int64) + 1
    low = np.maximum(low - np.array(lower), 0)
    high = np.minimum(high - np.array(lower), np.array(size))
    inside = np.flatnonzero((high > low).all(axis=1))
    way = (segments.stop - segments.start).astype(np.float32)
    square = way[:, 0] * way[:, 0] + way[:, 1] * way[:, 1] + way[:, 2] * way[:, 2]
    step = way / np.maximum(square, np.float32(1e-6))[:, None]
    widening = segments.radius_stop - segments.radius_start
    # Plain lists: indexing arrays one number at a time would cost more than the drawing.
    rows = zip(
        *(
            values[inside].tolist()
            for values in (
                low,
                high,
                segments.start,
                way,
                step,
                segments.radius_start,
                widening,
                segments.tone,
            )
        ),
        strict=True,
    )
    for first, last, start, (wz, wy, wx), (sz, sy, sx), radius, wider, dark in rows:
        (z0, y0, x0), (z1, y1, x1) = first, last
        z = (grid[0][z0:z1] - start[0]).astype(np.float32)[:, None, None]
        y = (grid[1][y0:y1] - start[1]).astype(np.float32)[:, None]
        x = (grid[2][x0:x1] - start[2]).astype(np.float32)
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
        t *= wider
        t += radius
        outline -= t
        box = (slice(z0, z1), slice(y0, y1), slice(x0, x1))
        nearest = outline < distance[box]
        np.copyto(distance[box], outline, where=nearest)
        tone[box][nearest] = dark
    return distance, tone


def tube_ratio(kind: str, distance: Float32[np.ndarray, " voxels"]) -> Float32[np.ndarray, " voxels"]:
    """Return the brightness over the local background at a distance from the nearest wall, in voxels."""
    profile = _PROFILES[kind]
    position = np.clip((distance + np.float32(8)) * np.float32(_STEPS), 0, len(profile) - 1)
    return profile[position.astype(np.int64)]
