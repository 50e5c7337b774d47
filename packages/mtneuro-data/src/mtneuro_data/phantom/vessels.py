"""Blood vessels: tubes along the edges of two jittered lattices, one of capillaries and one of trunks."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

from mtneuro_data.phantom.areas import Areas
from mtneuro_data.phantom.lattice import extended, site_hash, uniforms
from mtneuro_data.phantom.tissue import richness, table

REACH = 4.0
"""Voxels from a vessel's wall within which it changes the image (the bright halo)."""

# Brightness over the local background by distance from the annotated wall: lumen, edge, halo.
# The wall as annotated lies outside the steepest place.
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


_PROFILES = {"capillaries": _profile(_RATIO), "trunks": _profile(_TRUNK_RATIO)}


@dataclass(frozen=True, slots=True)
class _Network:
    stream: int
    spacing: int
    bend: float
    """How far an edge's two inner bends may lie from its ends, voxels."""
    pieces: int
    """Straight pieces that an edge's curve is drawn as."""
    radius: tuple[float, float]
    """Radius of the thinnest, and how much wider the widest is, voxels."""
    rarity: int
    """The power that makes wide vessels rare."""
    slender: float
    """How wide pieces across z are, over those along it."""
    paleness: float
    """How much less contrast the palest of the thinnest has; the widest are all dark."""
    flat: float
    """How much less contrast pieces across z have than those along it."""


_CAPILLARIES = _Network(
    stream=5,
    spacing=27,
    bend=15.0,
    pieces=5,
    radius=(1.4, 2.2),
    rarity=2,
    slender=0.72,
    paleness=0.3,
    flat=0.45,
)
_TRUNKS = _Network(
    stream=6,
    spacing=200,
    bend=80.0,
    pieces=8,
    radius=(3.5, 18.0),
    rarity=4,
    slender=1.0,
    paleness=0.0,
    flat=0.0,
)
_TRUNK_SHARE = 0.22


@dataclass(frozen=True, slots=True)
class Segments:
    """Straight pieces of tube, each from ``start`` to ``stop`` with its own radius at either end."""

    start: Float64[np.ndarray, "segments axes"]
    stop: Float64[np.ndarray, "segments axes"]
    radius_start: Float32[np.ndarray, " segments"]
    radius_stop: Float32[np.ndarray, " segments"]
    tone: Float32[np.ndarray, " segments"]
    """Contrast to the background, as a share of an empty lumen's: what fills a capillary makes it paler."""


def _joints(
    seed: int, network: _Network, site: Int64[np.ndarray, "sites axes"]
) -> tuple[
    Float64[np.ndarray, "sites axes"],
    Float32[np.ndarray, " sites"],
    Float32[np.ndarray, " sites"],
    Float64[np.ndarray, "sites axes"],
]:
    """Return where the edges of these sites meet, the radius and tone there, and along what line they do."""
    *drawn, width, pale = uniforms(site_hash(seed, network.stream, site[:, 0], site[:, 1], site[:, 2]), 8)
    place = (site + np.stack(drawn[:3], axis=1).astype(np.float64)) * network.spacing
    line = _unit(2 * np.stack(drawn[3:], axis=1).astype(np.float64) - 1)
    for _ in range(network.rarity.bit_length() - 1):
        width = width * width
    thin, more = network.radius
    return (
        place,
        np.float32(thin) + np.float32(more) * width,
        np.float32(1) - np.float32(network.paleness) * pale * (np.float32(1) - width),
        line,
    )


def _dot(
    a: Float64[np.ndarray, "places 3"], b: Float64[np.ndarray, "places 3"]
) -> Float64[np.ndarray, " places"]:
    """Return scalar products, summed in a fixed order."""
    return a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2]


def _unit(way: Float64[np.ndarray, "places 3"]) -> Float64[np.ndarray, "places 3"]:
    """Return the same directions at length 1."""
    return way / np.maximum(np.sqrt(_dot(way, way)), 1e-6)[:, None]


def _edges(
    seed: int, network: _Network, areas: Areas, lower: tuple[int, ...], upper: tuple[int, ...]
) -> Segments:
    """Return the pieces of every edge of a network that can reach into the box."""
    margin = network.bend + sum(network.radius) + REACH
    sites = [
        np.arange(int((lo - margin) // network.spacing) - 2, int((hi + margin) // network.spacing) + 3)
        for lo, hi in zip(lower, upper, strict=True)
    ]
    site = np.stack(np.meshgrid(*sites, indexing="ij"), axis=-1)
    place, radius, tone, line = _joints(seed, network, site.reshape(-1, 3))
    # An edge leads from each joint, but those of the last layers, to the next along each axis.
    number = np.arange(len(place)).reshape(site.shape[:3])
    start = np.tile(number[:-1, :-1, :-1].ravel(), 3)
    stop = np.concatenate(
        [number[1:, :-1, :-1].ravel(), number[:-1, 1:, :-1].ravel(), number[:-1, :-1, 1:].ravel()]
    )
    axis = np.repeat(np.arange(3), len(start) // 3)
    near = np.all(
        (np.minimum(place[start], place[stop]) - margin < np.array(upper))
        & (np.maximum(place[start], place[stop]) + margin > np.array(lower)),
        axis=1,
    )
    start, stop, axis = start[near], stop[near], axis[near]
    z, y, x = site.reshape(-1, 3)[start].T
    (exists,) = uniforms(extended(site_hash(seed, network.stream + 10, z, y, x), 0, axis), 1)
    middle = ((place[start] + place[stop]) / 2).T
    label = areas.at(*middle)
    if network is _CAPILLARIES:
        upright = table("vessel_upright")[label]
        share = table("vessel_share")[label] * richness(seed, 14, *middle)
        share *= np.where(axis == 0, upright, (np.float32(3) - upright) / np.float32(2))
    else:
        share = _TRUNK_SHARE * (label > 0)
    kept = exists < share
    start, stop, axis = start[kept], stop[kept], axis[kept]
    # All edges leave a joint along its one line, to this side or that: vessels run on smoothly, and fork.
    way = place[stop] - place[start]
    ahead = _unit(way)
    lead = np.minimum(np.sqrt(_dot(way, way)) / 3, network.bend)[:, None]
    bends = [
        place[end] + lead * _towards(line[end], side * ahead) for end, side in ((start, 1.0), (stop, -1.0))
    ]
    return _curve(
        network,
        (place[start], bends[0], bends[1], place[stop]),
        (radius[start], radius[stop]),
        (tone[start], tone[stop]),
    )


def _towards(
    line: Float64[np.ndarray, "edges 3"], ahead: Float64[np.ndarray, "edges 3"]
) -> Float64[np.ndarray, "edges 3"]:
    """Return unit vectors along these lines, to the side that leads ahead, and half turned that way."""
    return _unit(np.where(_dot(line, ahead) < 0, -1.0, 1.0)[:, None] * line + 0.5 * ahead)


def _curve(
    network: _Network,
    points: tuple[Float64[np.ndarray, "edges 3"], ...],
    radius: tuple[Float32[np.ndarray, " edges"], Float32[np.ndarray, " edges"]],
    tone: tuple[Float32[np.ndarray, " edges"], Float32[np.ndarray, " edges"]],
) -> Segments:
    """Return the pieces of cubic Bézier curves, given each one's four points."""
    p0, p1, p2, p3 = points
    place, girth, pale = [p0], [radius[0]], [tone[0]]
    for piece in range(1, network.pieces):
        t = piece / network.pieces
        s = 1 - t
        place.append((s * s * s) * p0 + (3 * s * s * t) * p1 + (3 * s * t * t) * p2 + (t * t * t) * p3)
        for values, (first, last) in ((girth, radius), (pale, tone)):
            values.append(np.float32(s) * first + np.float32(t) * last)
    start, stop = np.concatenate(place), np.concatenate([*place[1:], p3])
    steep = np.abs(_unit(stop - start)[:, 0]).astype(np.float32)
    slender = np.float32(network.slender) + np.float32(1 - network.slender) * steep
    return Segments(
        start,
        stop,
        np.concatenate(girth) * slender,
        np.concatenate([*girth[1:], radius[1]]) * slender,
        np.concatenate(pale) * (np.float32(1 - network.flat) + np.float32(network.flat) * steep),
    )


def segments_near(
    seed: int, areas: Areas, lower: tuple[int, ...], upper: tuple[int, ...]
) -> dict[str, Segments]:
    """Return every piece of vessel that can reach into the half-open box, capillaries and trunks apart."""
    found: dict[str, Segments] = {}
    for name, network in (("capillaries", _CAPILLARIES), ("trunks", _TRUNKS)):
        every = _edges(seed, network, areas, lower, upper)
        margin = np.maximum(every.radius_start, every.radius_stop) + np.float32(REACH + 1)
        low = np.minimum(every.start, every.stop) - margin.astype(np.float64)[:, None]
        high = np.maximum(every.start, every.stop) + margin.astype(np.float64)[:, None]
        near = np.all((low < np.array(upper)) & (high > np.array(lower)), axis=1)
        found[name] = Segments(
            every.start[near],
            every.stop[near],
            every.radius_start[near],
            every.radius_stop[near],
            every.tone[near],
        )
    return found


def drawn_vessels(
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


def vessel_ratio(kind: str, distance: Float32[np.ndarray, " voxels"]) -> Float32[np.ndarray, " voxels"]:
    """Return the brightness over the local background at a distance from the nearest wall, in voxels."""
    profile = _PROFILES[kind]
    position = np.clip((distance + np.float32(8)) * np.float32(_STEPS), 0, len(profile) - 1)
    return profile[position.astype(np.int64)]
