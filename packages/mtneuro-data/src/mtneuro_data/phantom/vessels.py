"""Blood vessels: tubes along the edges of two jittered lattices, one of capillaries and one of trunks."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from mtneuro_data.phantom.areas import Areas
from mtneuro_data.phantom.lattice import site_hash, uniforms
from mtneuro_data.phantom.tissue import table

REACH = 7.0
"""Voxels from a vessel's wall within which it changes the image (the bright halo)."""

# Brightness over the local background by distance from the annotated wall: lumen, edge, halo.
_DISTANCE = np.array([-6.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0])
_RATIO = np.array([0.02, 0.02, 0.03, 0.10, 0.32, 0.65, 0.98, 1.12, 1.14, 1.08, 1.04, 1.0])
_STEPS = 32
_PROFILE = np.interp(np.arange(-8 * _STEPS, int(REACH) * _STEPS + 2) / _STEPS, _DISTANCE, _RATIO).astype(
    np.float32
)


@dataclass(frozen=True, slots=True)
class _Network:
    stream: int
    spacing: int
    jitter: float
    bend: float
    """How far an edge's middle may lie off the straight line, voxels on each axis."""


_CAPILLARIES = _Network(stream=5, spacing=30, jitter=1.0, bend=11.0)
_TRUNKS = _Network(stream=6, spacing=200, jitter=1.0, bend=30.0)


@dataclass(frozen=True, slots=True)
class Segments:
    """Straight pieces of tube, each from ``start`` to ``stop`` with its own radius at either end."""

    start: Float64[np.ndarray, "segments axes"]
    stop: Float64[np.ndarray, "segments axes"]
    radius_start: Float32[np.ndarray, " segments"]
    radius_stop: Float32[np.ndarray, " segments"]


def _joints(seed: int, network: _Network, site: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the edges of these lattice sites meet, and how wide they are there, 0 to 1."""
    word = site_hash(seed, network.stream, site[:, 0], site[:, 1], site[:, 2])
    *jitter, width = uniforms(word, 4)
    offset = np.stack(jitter, axis=1).astype(np.float64) - 0.5
    return (site + 0.5 + network.jitter * offset) * network.spacing, width


def _edges(seed: int, network: _Network, areas: Areas, lower: tuple[int, ...], upper: tuple[int, ...]):
    """Yield the two halves of every edge that can reach into the box, axis by axis."""
    margin = network.bend + 24 + REACH
    sites = [
        np.arange(int((lo - margin) // network.spacing) - 2, int((hi + margin) // network.spacing) + 2)
        for lo, hi in zip(lower, upper, strict=True)
    ]
    site = np.stack([axis.ravel() for axis in np.meshgrid(*sites, indexing="ij")], axis=1)
    place, width = _joints(seed, network, site)
    for axis in range(3):
        other, other_width = _joints(seed, network, site + np.eye(3, dtype=np.int64)[axis])
        low = np.minimum(place, other) - margin
        high = np.maximum(place, other) + margin
        near = np.all((low < np.array(upper)) & (high > np.array(lower)), axis=1)
        start, stop = place[near], other[near]
        word = site_hash(seed, network.stream + 10 * (axis + 1), *site[near].T)
        exists, *bend, middle_width = uniforms(word, 5)
        middle = (start + stop) / 2 + network.bend * (2 * np.stack(bend, axis=1).astype(np.float64) - 1)
        label = areas.at(*middle.T)
        if network is _CAPILLARIES:
            kept = exists < table("vessel_share")[label]
            radii = [_capillary_radius(value) for value in (width[near], middle_width, other_width[near])]
        else:
            kept = (exists < np.float32(0.33)) & (label > 0)
            radii = [_trunk_radius(value) for value in (width[near], middle_width, other_width[near])]
        first, mid, last = (radius[kept] for radius in radii)
        yield Segments(start[kept], middle[kept], first, mid)
        yield Segments(middle[kept], stop[kept], mid, last)


def _capillary_radius(value: Float32[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    return np.float32(1.75) + np.float32(1.0) * value * value


def _trunk_radius(value: Float32[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    square = value * value
    return np.float32(3.5) + np.float32(18) * square * square


def segments_near(seed: int, areas: Areas, lower: tuple[int, ...], upper: tuple[int, ...]) -> Segments:
    """Return every piece of vessel that can reach into the half-open box."""
    parts = [
        part for network in (_CAPILLARIES, _TRUNKS) for part in _edges(seed, network, areas, lower, upper)
    ]
    found = Segments(
        start=np.concatenate([part.start for part in parts]),
        stop=np.concatenate([part.stop for part in parts]),
        radius_start=np.concatenate([part.radius_start for part in parts]),
        radius_stop=np.concatenate([part.radius_stop for part in parts]),
    )
    margin = (np.maximum(found.radius_start, found.radius_stop) + np.float32(REACH + 1)).astype(np.float64)
    low = np.minimum(found.start, found.stop) - margin[:, None]
    high = np.maximum(found.start, found.stop) + margin[:, None]
    near = np.all((low < np.array(upper)) & (high > np.array(lower)), axis=1)
    return Segments(found.start[near], found.stop[near], found.radius_start[near], found.radius_stop[near])


def draw_vessels(segments: Segments, lower: tuple[int, ...], distance: Float32[np.ndarray, "z y x"]) -> None:
    """Lower a box's distance to the nearest vessel wall (negative in the lumen) by these tubes, in place."""
    for k in range(len(segments.start)):
        start, stop = segments.start[k], segments.stop[k]
        ra, rb = segments.radius_start[k], segments.radius_stop[k]
        margin = float(max(ra, rb)) + REACH
        first = [
            max(int(np.floor(min(a, b) - margin)) - lo, 0)
            for a, b, lo in zip(start, stop, lower, strict=True)
        ]
        last = [
            min(int(np.floor(max(a, b) + margin)) + 1 - lo, size)
            for a, b, lo, size in zip(start, stop, lower, distance.shape, strict=True)
        ]
        if any(b <= a for a, b in zip(first, last, strict=True)):
            continue
        window = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        z, y, x = (
            (np.arange(a + lo, b + lo) - c).astype(np.float32)
            for a, b, lo, c in zip(first, last, lower, start, strict=True)
        )
        z, y = z[:, None, None], y[:, None]
        way = (stop - start).astype(np.float32)
        square = max(way[0] * way[0] + way[1] * way[1] + way[2] * way[2], np.float32(1e-6))
        t = (z * (way[0] / square) + y * (way[1] / square)) + x * (way[2] / square)
        np.clip(t, 0, 1, out=t)
        dz, dy, dx = z - t * way[0], y - t * way[1], x - t * way[2]
        outline = np.sqrt(dz * dz + dy * dy + dx * dx)
        outline -= ra + (rb - ra) * t
        view = distance[window]
        np.minimum(view, outline, out=view)


def vessel_ratio(distance: Float32[np.ndarray, " voxels"]) -> Float32[np.ndarray, " voxels"]:
    """Return the brightness over the local background at a distance from the nearest wall, in voxels."""
    position = np.clip((distance + np.float32(8)) * np.float32(_STEPS), 0, len(_PROFILE) - 1)
    return _PROFILE[position.astype(np.int64)]
