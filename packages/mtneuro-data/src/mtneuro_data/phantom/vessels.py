"""Blood vessels: tubes along the edges of jittered lattices, up to three of capillaries and one of trunks."""

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Float32, Float64, Int64

from mtneuro_data.phantom.areas import Areas
from mtneuro_data.phantom.lattice import extended, site_hash, uniforms
from mtneuro_data.phantom.tissue import rich_places, richness, table
from mtneuro_data.phantom.tubes import REACH, Segments, dot, unit


@dataclass(frozen=True, slots=True)
class _Network:
    stream: int
    spacing: tuple[int, int, int]
    """Distance of joints, ``(z, y, x)`` in voxels; the smaller along z, the more vessels lie in the slice."""
    bend: float
    """How far an edge's two inner bends may lie from its ends, voxels."""
    pieces: int
    """Straight pieces that an edge's curve is drawn as."""
    radius: tuple[float, float]
    """Radius of the thinnest, and how much wider the widest is, voxels."""
    rarity: int
    """Power of the random number that sets the radius: a higher one makes wide vessels rarer."""
    slender: float
    """Width of pieces across z, relative to those along z."""
    paleness: float
    """How much less contrast the palest of the thinnest has; the widest are all dark."""
    flat: float
    """How much less contrast pieces across z have than those along it."""
    shared_depth: float = 0.0
    """How much of a joint's place along z it shares with those next to it."""
    rising: tuple[float, float] = (1.0, 1.0)
    """How much more often edges along z exist than on average, and edges in the slice."""
    bed: int = 0
    """Number of the bed, if several run through each other."""


_CAPILLARIES = _Network(
    stream=5,
    spacing=(22, 28, 28),
    bend=22.0,
    pieces=6,
    radius=(1.75, 1.7),
    rarity=2,
    slender=0.85,
    paleness=0.15,
    flat=0.12,
    shared_depth=0.75,
    rising=(0.95, 0.45),
)
# Two or three beds run through each other where capillaries are dense: as in reality, few joints have more
# than three edges.
_BEDS = (
    _CAPILLARIES,
    replace(_CAPILLARIES, stream=19, bed=1),
    replace(_CAPILLARIES, stream=100, bed=2),
)
_TRUNKS = _Network(
    stream=6,
    spacing=(150, 150, 150),
    bend=60.0,
    pieces=8,
    radius=(3.5, 18.0),
    rarity=8,
    slender=1.0,
    paleness=0.0,
    flat=0.0,
)
_WIDER = 1.7  # how much wider capillaries are at most where they are dense
_TRUNK_SHARE = 0.15
_NEXT = 3  # how many joints along y and x lie at nearly the same depth


def _joints(
    seed: int, network: _Network, site: Int64[np.ndarray, "sites axes"]
) -> tuple[
    Float64[np.ndarray, "sites axes"],
    Float32[np.ndarray, " sites"],
    Float32[np.ndarray, " sites"],
    Float64[np.ndarray, "sites axes"],
]:
    """Return the joints of these sites: position, radius, tone, and the line along which edges meet."""
    z, y, x = site.T
    *drawn, width, pale = uniforms(site_hash(seed, network.stream, z, y, x), 8)
    if network.shared_depth:
        # Joints next to each other lie at nearly the same depth, so that vessels stay in a slice for a while.
        (depth,) = uniforms(site_hash(seed, network.stream + 120, z, y // _NEXT, x // _NEXT), 1)
        drawn[0] = np.float32(network.shared_depth) * depth + np.float32(1 - network.shared_depth) * drawn[0]
    place = (site + np.stack(drawn[:3], axis=1).astype(np.float64)) * np.array(network.spacing)
    line = unit(2 * np.stack(drawn[3:], axis=1).astype(np.float64) - 1)
    for _ in range(network.rarity.bit_length() - 1):
        width = width * width
    thin, more = network.radius
    return (
        place,
        np.float32(thin) + np.float32(more) * width,
        np.float32(1) - np.float32(network.paleness) * pale * (np.float32(1) - width),
        line,
    )


def _edges(
    seed: int, network: _Network, areas: Areas, lower: tuple[int, ...], upper: tuple[int, ...]
) -> Segments:
    """Return the pieces of every edge of a network that can reach into the box."""
    margin = network.bend + _WIDER * sum(network.radius) + REACH
    sites = [
        np.arange(int((lo - margin) // step) - 2, int((hi + margin) // step) + 3)
        for lo, hi, step in zip(lower, upper, network.spacing, strict=True)
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
    if network is _TRUNKS:
        share = _TRUNK_SHARE * (label > 0)
    else:
        share = table("vessel_share")[label] * richness(seed, 14, table("vessel_variety")[label], *middle)
        share *= table("vessel_beds")[label] > network.bed
        share *= np.where(axis == 0, *map(np.float32, network.rising))
    kept = exists < share
    start, stop, axis = start[kept], stop[kept], axis[kept]
    if network is not _TRUNKS:
        radius = radius * _widths(seed, areas, place)
    # All edges leave a joint along the same line, to either side, so that vessels continue smoothly and fork.
    way = place[stop] - place[start]
    ahead = unit(way)
    lead = np.minimum(np.sqrt(dot(way, way)) * 0.6, network.bend)[:, None]
    bends = [
        place[end] + lead * _towards(line[end], side * ahead) for end, side in ((start, 1.0), (stop, -1.0))
    ]
    return _curve(
        network,
        (place[start], bends[0], bends[1], place[stop]),
        (radius[start], radius[stop]),
        (tone[start], tone[stop]),
    )


def _widths(
    seed: int, areas: Areas, place: Float64[np.ndarray, "joints axes"]
) -> Float32[np.ndarray, " joints"]:
    """Return how wide capillaries are at joints, relative to the average of their area."""
    z, y, x = place.T
    variety = table("width_variety")[areas.at(z, y, x)]
    return np.float32(1) + variety * rich_places(seed, 14, z, y, x)


def _towards(
    line: Float64[np.ndarray, "edges 3"], ahead: Float64[np.ndarray, "edges 3"]
) -> Float64[np.ndarray, "edges 3"]:
    """Return unit vectors along these lines, to the side of ``ahead``, and turned a little towards it."""
    return unit(np.where(dot(line, ahead) < 0, -1.0, 1.0)[:, None] * line + 1.1 * ahead)


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
    steep = np.abs(unit(stop - start)[:, 0]).astype(np.float32)
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
    """Return the pieces of all vessels that can reach into the half-open box: capillaries, and trunks."""
    found: dict[str, Segments] = {}
    for name, networks in (("capillaries", _BEDS), ("trunks", (_TRUNKS,))):
        beds = [_edges(seed, network, areas, lower, upper) for network in networks]
        parts = (np.concatenate([getattr(bed, part.name) for bed in beds]) for part in fields(Segments))
        found[name] = Segments(*parts)
    return found
