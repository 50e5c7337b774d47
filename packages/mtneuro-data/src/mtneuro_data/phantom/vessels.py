"""Blood vessels: tubes along the edges of two jittered lattices, one of capillaries and one of trunks."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from mtneuro_data.phantom.areas import Areas
from mtneuro_data.phantom.lattice import site_hash, uniforms
from mtneuro_data.phantom.tissue import table

REACH = 5.0
"""Voxels from a vessel's wall within which it changes the image (the bright halo)."""

# Brightness over the local background by distance from the annotated wall: lumen, edge, halo.
_DISTANCE = np.array([-8.0, -5.0, -3.0, -2.0, -1.3, -0.65, 0.0, 0.65, 1.5, 2.5, 3.5, 4.0, 5.0])
_RATIO = np.array([0.02, 0.02, 0.03, 0.08, 0.24, 0.47, 0.74, 1.00, 1.14, 1.14, 1.06, 1.03, 1.0])
_TRUNK_RATIO = np.array([0.09, 0.05, 0.01, 0.03, 0.10, 0.30, 0.65, 1.02, 1.28, 1.30, 1.12, 1.05, 1.0])
_STEPS = 32


def _profile(ratio: Float64[np.ndarray, " knots"]) -> Float32[np.ndarray, " steps"]:
    """Return a brightness profile at every thirty-second of a voxel from 8 inside the wall outwards."""
    place = np.arange(-8 * _STEPS, int(REACH) * _STEPS + 2) / _STEPS
    return np.interp(place, _DISTANCE, ratio).astype(np.float32)


_PROFILES = {"capillaries": _profile(_RATIO), "trunks": _profile(_TRUNK_RATIO)}


@dataclass(frozen=True, slots=True)
class _Network:
    stream: int
    spacing: int
    bend: float
    """How far an edge's two inner bends may lie off the straight line, voxels on each axis."""
    pieces: int
    """Straight pieces that an edge's curve is drawn as."""
    radius: tuple[float, float]
    """Radius of the thinnest, and how much wider the widest is, voxels."""
    rarity: int
    """The power that makes wide vessels rare."""


_CAPILLARIES = _Network(stream=5, spacing=27, bend=12.0, pieces=4, radius=(1.35, 1.2), rarity=2)
_TRUNKS = _Network(stream=6, spacing=200, bend=60.0, pieces=6, radius=(3.5, 18.0), rarity=2)
_TRUNK_SHARE = 0.42
_DIRECTION_SHARE = (0.65, 1.175, 1.175)  # vessels run rather in the plane than along z


@dataclass(frozen=True, slots=True)
class Segments:
    """Straight pieces of tube, each from ``start`` to ``stop`` with its own radius at either end."""

    start: Float64[np.ndarray, "segments axes"]
    stop: Float64[np.ndarray, "segments axes"]
    radius_start: Float32[np.ndarray, " segments"]
    radius_stop: Float32[np.ndarray, " segments"]


def _joints(
    seed: int, network: _Network, site: Int64[np.ndarray, "sites axes"]
) -> tuple[Float64[np.ndarray, "sites axes"], Float32[np.ndarray, " sites"]]:
    """Return where the edges of these lattice sites meet, and the tube's radius there."""
    *jitter, width = uniforms(site_hash(seed, network.stream, site[:, 0], site[:, 1], site[:, 2]), 4)
    place = (site + np.stack(jitter, axis=1).astype(np.float64)) * network.spacing
    for _ in range(network.rarity.bit_length() - 1):
        width = width * width
    thin, more = network.radius
    return place, np.float32(thin) + np.float32(more) * width


def _edges(
    seed: int, network: _Network, areas: Areas, lower: tuple[int, ...], upper: tuple[int, ...]
) -> Iterator[Segments]:
    """Yield, axis by axis of the lattice, the pieces of every edge that can reach into the box."""
    margin = network.bend + sum(network.radius) + REACH
    sites = [
        np.arange(int((lo - margin) // network.spacing) - 2, int((hi + margin) // network.spacing) + 2)
        for lo, hi in zip(lower, upper, strict=True)
    ]
    site = np.stack([axis.ravel() for axis in np.meshgrid(*sites, indexing="ij")], axis=1)
    place, radius = _joints(seed, network, site)
    for axis in range(3):
        other, other_radius = _joints(seed, network, site + np.eye(3, dtype=np.int64)[axis])
        low = np.minimum(place, other) - margin
        high = np.maximum(place, other) + margin
        near = np.all((low < np.array(upper)) & (high > np.array(lower)), axis=1)
        start, stop = place[near], other[near]
        word = site_hash(seed, network.stream + 10 * (axis + 1), site[near, 0], site[near, 1], site[near, 2])
        exists, *bend = uniforms(word, 7)
        middle = (start + stop) / 2
        label = areas.at(middle[:, 0], middle[:, 1], middle[:, 2])
        share = table("vessel_share")[label] if network is _CAPILLARIES else _TRUNK_SHARE * (label > 0)
        kept = exists < share * _DIRECTION_SHARE[axis]
        offset = network.bend * (2 * np.stack(bend, axis=1).astype(np.float64)[kept] - 1)
        yield _curve(
            network.pieces, start[kept], stop[kept], offset, radius[near][kept], other_radius[near][kept]
        )


def _curve(
    pieces: int,
    start: Float64[np.ndarray, "edges 3"],
    stop: Float64[np.ndarray, "edges 3"],
    offset: Float64[np.ndarray, "edges 6"],
    radius_start: Float32[np.ndarray, " edges"],
    radius_stop: Float32[np.ndarray, " edges"],
) -> Segments:
    """Return the pieces of the cubic Bézier curves between two joints, with two offset inner points."""
    first = start + (stop - start) / 3 + offset[:, :3]
    second = start + (stop - start) * (2 / 3) + offset[:, 3:]
    points, radii = [start], [radius_start]
    for piece in range(1, pieces):
        t = piece / pieces
        s = 1 - t
        points.append(
            (s * s * s) * start + (3 * s * s * t) * first + (3 * s * t * t) * second + (t * t * t) * stop
        )
        radii.append(np.float32(s) * radius_start + np.float32(t) * radius_stop)
    points.append(stop)
    radii.append(radius_stop)
    return Segments(
        np.concatenate(points[:-1]),
        np.concatenate(points[1:]),
        np.concatenate(radii[:-1]),
        np.concatenate(radii[1:]),
    )


def segments_near(
    seed: int, areas: Areas, lower: tuple[int, ...], upper: tuple[int, ...]
) -> dict[str, Segments]:
    """Return every piece of vessel that can reach into the half-open box, capillaries and trunks apart."""
    found: dict[str, Segments] = {}
    for name, network in (("capillaries", _CAPILLARIES), ("trunks", _TRUNKS)):
        parts = list(_edges(seed, network, areas, lower, upper))
        start, stop, first, last = (
            np.concatenate([getattr(part, field) for part in parts])
            for field in ("start", "stop", "radius_start", "radius_stop")
        )
        margin = (np.maximum(first, last) + np.float32(REACH + 1)).astype(np.float64)[:, None]
        low = np.minimum(start, stop) - margin
        high = np.maximum(start, stop) + margin
        near = np.all((low < np.array(upper)) & (high > np.array(lower)), axis=1)
        found[name] = Segments(start[near], stop[near], first[near], last[near])
    return found


def drawn_vessels(
    segments: Segments, lower: tuple[int, ...], upper: tuple[int, ...]
) -> Float32[np.ndarray, "z y x"]:
    """Return each voxel's distance to the nearest wall of these tubes: below 0 in the lumen, 100 far off."""
    size = [hi - lo for lo, hi in zip(lower, upper, strict=True)]
    distance = np.full(size, np.float32(100))
    grid = [np.arange(lo, hi, dtype=np.float64) for lo, hi in zip(lower, upper, strict=True)]
    margin = (np.maximum(segments.radius_start, segments.radius_stop) + np.float32(REACH)).astype(np.float64)
    low = np.floor(np.minimum(segments.start, segments.stop) - margin[:, None]).astype(np.int64)
    high = np.floor(np.maximum(segments.start, segments.stop) + margin[:, None]).astype(np.int64) + 1
    low = np.maximum(low - np.array(lower), 0)
    high = np.minimum(high - np.array(lower), np.array(size))
    way = (segments.stop - segments.start).astype(np.float32)
    square = way[:, 0] * way[:, 0] + way[:, 1] * way[:, 1] + way[:, 2] * way[:, 2]
    step = way / np.maximum(square, np.float32(1e-6))[:, None]
    widening = segments.radius_stop - segments.radius_start
    # Plain lists: indexing arrays one number at a time would cost more than the drawing.
    rows = zip(
        low.tolist(),
        high.tolist(),
        segments.start.tolist(),
        way.tolist(),
        step.tolist(),
        segments.radius_start.tolist(),
        widening.tolist(),
        strict=True,
    )
    for first, last, start, (wz, wy, wx), (sz, sy, sx), radius, wider in rows:
        (z0, y0, x0), (z1, y1, x1) = first, last
        if z1 <= z0 or y1 <= y0 or x1 <= x0:
            continue
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
        view = distance[z0:z1, y0:y1, x0:x1]
        np.minimum(view, outline, out=view)
    return distance


def vessel_ratio(kind: str, distance: Float32[np.ndarray, " voxels"]) -> Float32[np.ndarray, " voxels"]:
    """Return the brightness over the local background at a distance from the nearest wall, in voxels."""
    profile = _PROFILES[kind]
    position = np.clip((distance + np.float32(8)) * np.float32(_STEPS), 0, len(profile) - 1)
    return profile[position.astype(np.int64)]
