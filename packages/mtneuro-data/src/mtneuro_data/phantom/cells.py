"""Cells: somata, lopsided ellipsoids at a distance from each other, and the stems of their dendrites."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Bool, Float32, Float64

from mtneuro_data.phantom.areas import Areas
from mtneuro_data.phantom.bundles import bundle_field
from mtneuro_data.phantom.lattice import site_hash, uniforms
from mtneuro_data.phantom.profiles import brightness_at, profile
from mtneuro_data.phantom.spline import point_noise
from mtneuro_data.phantom.tissue import richness, table
from mtneuro_data.phantom.tubes import REACH, Segments, dot, unit

_SPACING = 16
_REPULSION = 10.5  # voxels; of two candidates nearer than this, one is dropped
_REACH = 28  # voxels; the largest extent of a cell with its halo from its centre
_EDGE = 4.0
_LOBE = 0.22
_SIZE_PERIOD = (90.0, 400.0, 400.0)
_NUCLEUS = 0.7  # radius, as a share of the soma's half axis across the long one
_DENDRITE = (2.0, 0.8)  # radius at the soma and at the visible end, voxels
_DENDRITE_LENGTH = (6.0, 12.0)  # voxels: that of the shortest, and how much longer the longest is
_DENDRITE_TONE = 0.55  # contrast, as a share of the soma's

# Brightness over the local background by distance from the annotated outline, which is generous: the
# profile is steepest inside it.
_DISTANCE = np.array([-8.0, -4.0, -3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.2, 3.0, 4.0])
_RATIO = np.array([0.3, 0.18, 0.13, 0.13, 0.17, 0.27, 0.45, 0.67, 0.88, 1.02, 1.075, 1.085, 1.045, 1.0])
_PROFILE = profile(_DISTANCE, _RATIO)


@dataclass(frozen=True, slots=True)
class Cells:
    """The somata that can be seen in a box, ordered by lattice site."""

    centre: Float64[np.ndarray, "cells axes"]
    short: Float32[np.ndarray, " cells"]
    """Half axis across the long one, voxels, as annotated."""
    axis: Float32[np.ndarray, "cells axes"]
    """Unit vector of the long axis."""
    ratio: Float32[np.ndarray, " cells"]
    """Short over long axis."""
    lobe: Float32[np.ndarray, "cells axes"]
    """Direction in which the outline bulges, and by what fraction of the short axis."""
    faint: Bool[np.ndarray, " cells"]
    """Which are too faint to be annotated."""
    contrast: Float32[np.ndarray, " cells"]
    cytoplasm: Float32[np.ndarray, " cells"]
    """Contrast of the cytoplasm, as a share of the nucleus's."""
    nucleolus: Float32[np.ndarray, " cells"]
    """How much brighter the dot in the middle is, over the local background; 0 if there is none."""
    dendrite: Float32[np.ndarray, "cells 3 axes"]
    """Unit vectors along dendrites."""
    length: Float32[np.ndarray, "cells 3"]
    """How far each can be seen from the soma, voxels; 0 where it cannot."""


def _direction(drawn: list[Float32[np.ndarray, " cells"]]) -> Float32[np.ndarray, "cells axes"]:
    """Return unit vectors from three uniform numbers each."""
    return unit(np.stack(drawn, axis=1) - np.float32(0.5))


def _survivors(
    centre: Float64[np.ndarray, "z y x axes"], mark: Float32[np.ndarray, "z y x"]
) -> Bool[np.ndarray, "z2 y2 x2"]:
    """Return which sites, the outermost layer left out, have no neighbour of higher mark too near."""
    inner = tuple(slice(1, size - 1) for size in mark.shape)
    kept = mark[inner] > 0
    for step in product((-1, 0, 1), repeat=3):
        if step == (0, 0, 0):
            continue
        shifted = tuple(slice(1 + s, size - 1 + s) for s, size in zip(step, mark.shape, strict=True))
        gap = centre[shifted] - centre[inner]
        square = gap[..., 0] * gap[..., 0] + gap[..., 1] * gap[..., 1] + gap[..., 2] * gap[..., 2]
        kept &= (mark[shifted] <= mark[inner]) | (square > _REPULSION * _REPULSION)
    return kept


def cells_near(seed: int, areas: Areas, lower: tuple[int, ...], upper: tuple[int, ...]) -> Cells:
    """Return every soma that can reach into the half-open box."""
    z, y, x = (
        np.arange((lo - _REACH) // _SPACING - 1, (hi + _REACH) // _SPACING + 2)
        for lo, hi in zip(lower, upper, strict=True)
    )
    grid = (z[:, None, None], y[:, None], x)
    word = site_hash(seed, 3, *grid)
    # Jittered over the whole cube of its site: otherwise the density would be periodic along the axes.
    *jitter, chance = uniforms(word, 4)
    centre = np.stack(
        [(axis + place.astype(np.float64)) * _SPACING for axis, place in zip(grid, jitter, strict=True)],
        axis=-1,
    )
    place = (centre[..., 0], centre[..., 1], centre[..., 2])
    label = areas.at(*place)
    in_axons = bundle_field(seed, label, *place) > 0
    share = np.where(in_axons, table("cell_share_in_axons")[label], table("cell_share")[label])
    share = share * richness(seed, 13, table("cell_variety")[label], *place)
    # A site with mark 0 is no candidate; otherwise a lower random number gives a higher mark.
    mark = np.where(chance < share, np.float32(1) - chance, np.float32(0))
    inner = (slice(1, -1),) * 3
    kept = _survivors(centre, mark)
    kept &= np.all(
        (centre[inner] > np.array(lower) - _REACH) & (centre[inner] < np.array(upper) + _REACH), -1
    )
    centre, label = centre[inner][kept], label[inner][kept]

    drawn = uniforms(site_hash(seed, 4, *grid)[inner][kept], 23)
    spread = (drawn[0] + drawn[1] + drawn[2]) / np.float32(1.5) - np.float32(1)  # -1 to 1, near normal
    ratio = np.float32(0.45) + np.float32(0.43) * drawn[3]
    place = (axis / period for axis, period in zip(centre.T, _SIZE_PERIOD, strict=True))
    (larger,) = point_noise(seed, 74, *place)
    larger = np.float32(1) + table("size_variety")[label] * np.clip(larger, -2, 2)
    radius = table("cell_radius")[label] * larger * (np.float32(1) + np.float32(0.3) * spread)
    faint = drawn[10] < table("faint")[label]
    axis = _direction(drawn[4:7])
    # Two dendrites start near the soma's ends, the third anywhere.
    tilt, other = (np.float32(0.6) * _direction(drawn[first : first + 3]) for first in (14, 17))
    dendrite = np.stack([unit(axis + tilt), unit(other - axis), unit(other)], axis=1)
    chance = np.stack(drawn[20:], axis=1) / np.maximum(table("dendrites")[label], np.float32(1e-6))[:, None]
    shortest, longer = _DENDRITE_LENGTH
    return Cells(
        centre=centre,
        # Close to the cube root of the ratio: the volume stays that of a ball of this radius.
        short=radius * (np.float32(0.62) + np.float32(0.38) * ratio),
        axis=axis,
        ratio=ratio,
        lobe=_direction(drawn[7:10]) * np.float32(_LOBE),
        faint=faint,
        contrast=table("contrast")[label] - np.float32(0.15) * faint + np.float32(0.5) * drawn[10],
        cytoplasm=np.minimum(
            table("cytoplasm")[label] * (np.float32(0.85) + np.float32(0.3) * drawn[11]), np.float32(1)
        ),
        nucleolus=np.where(drawn[12] < np.float32(0.5), table("nucleolus")[label], np.float32(0))
        * (np.float32(0.6) + np.float32(0.6) * drawn[13]),
        dendrite=dendrite,
        length=np.where(chance < 1, np.float32(shortest) + np.float32(longer) * chance, np.float32(0)),
    )


def dendrites(cells: Cells) -> Segments:
    """Return the stems of all dendrites, from just inside the soma outwards."""
    cell, number = np.nonzero(cells.length)
    way, ratio = cells.dendrite[cell, number], cells.ratio[cell]
    along = dot(way, cells.axis[cell])
    surface = cells.short[cell] / np.sqrt(np.float32(1) + (ratio * ratio - np.float32(1)) * along * along)
    stem, tip = _DENDRITE
    end = np.minimum(surface + cells.length[cell, number], np.float32(_REACH - REACH - tip - 0.1))
    one = np.ones(len(cell), dtype=np.float32)
    return Segments(
        start=cells.centre[cell] + (np.float32(0.8) * surface)[:, None] * way,
        stop=cells.centre[cell] + end[:, None] * way,
        radius_start=np.float32(stem) * one,
        radius_stop=np.float32(tip) * one,
        tone=np.float32(_DENDRITE_TONE) * cells.contrast[cell],
    )


def _half_sizes(cells: Cells) -> Float64[np.ndarray, "cells axes"]:
    """Return how far along each axis a soma and its halo reach from its centre, voxels."""
    # The ellipsoid that encloses the outline with its bulge and its halo.
    short = (cells.short * np.float32(1 + _LOBE) + np.float32(_EDGE)).astype(np.float64)
    longer = (1 / (cells.ratio * cells.ratio).astype(np.float64) - 1)[:, None] * cells.axis * cells.axis
    return np.minimum(short[:, None] * np.sqrt(1 + longer), _REACH - 1)


def draw_cells(
    cells: Cells, lower: tuple[int, ...], size: tuple[int, ...]
) -> tuple[Float32[np.ndarray, "z y x"], Bool[np.ndarray, "z y x"]]:
    """Return a box's brightness over the background by somata, and which voxels are annotated as cells.

    Where two are near, the one whose outline is nearest decides; at equal distance, the first.
    """
    distance = np.full(size, np.float32(_EDGE))
    centred = np.zeros(size, dtype=np.float32)
    owner = np.full(size, -1, dtype=np.int32)
    grid = [np.arange(lo, lo + count, dtype=np.float64) for lo, count in zip(lower, size, strict=True)]
    half = _half_sizes(cells)
    low = np.maximum(np.ceil(cells.centre - half).astype(np.int64) - np.array(lower), 0)
    high = np.floor(cells.centre + half).astype(np.int64) + 1 - np.array(lower)
    high = np.minimum(high, np.array(size))
    inside = np.flatnonzero((high > low).all(axis=1))
    # Plain lists: indexing arrays one number at a time would cost more than the drawing.
    rows = zip(
        inside.tolist(),
        *(
            values[inside].tolist()
            for values in (
                low,
                high,
                cells.centre,
                cells.short,
                cells.axis,
                cells.ratio * cells.ratio - np.float32(1),
                cells.lobe * cells.short[:, None],
            )
        ),
        strict=True,
    )
    for number, first, last, centre, short, axis, stretch, lobe in rows:
        (z0, y0, x0), (z1, y1, x1) = first, last
        z = (grid[0][z0:z1] - centre[0]).astype(np.float32)[:, None, None]
        y = (grid[1][y0:y1] - centre[1]).astype(np.float32)[:, None]
        x = (grid[2][x0:x1] - centre[2]).astype(np.float32)
        square = (z * z + y * y) + x * x
        outline = (z * axis[0] + y * axis[1]) + x * axis[2]
        outline *= outline
        outline *= stretch
        outline += square
        np.maximum(outline, np.float32(0), out=outline)
        np.sqrt(outline, out=outline)
        outline -= short
        # A bulge on one side and a dent on the other, fading towards the centre.
        bulge = (z * lobe[0] + y * lobe[1]) + x * lobe[2]
        bulge /= np.sqrt(square) + np.float32(1)
        outline -= bulge
        box = (slice(z0, z1), slice(y0, y1), slice(x0, x1))
        nearest = outline < distance[box]
        np.copyto(distance[box], outline, where=nearest)
        np.copyto(centred[box], square, where=nearest)
        np.copyto(owner[box], number, where=nearest)
    near = np.flatnonzero(owner >= 0)
    seen = owner.reshape(-1)[near]
    outline = distance.reshape(-1)[near]
    ratio = np.ones(size, dtype=np.float32)
    ratio.reshape(-1)[near] = _brightness(
        outline,
        centred.reshape(-1)[near],
        np.float32(_NUCLEUS) * cells.short[seen],
        cells.contrast[seen],
        cells.cytoplasm[seen],
        cells.nucleolus[seen],
    )
    soma = np.zeros(size, dtype=bool)
    soma.reshape(-1)[near] = (outline < 0) & ~cells.faint[seen]
    return ratio, soma


def _brightness(
    outline: Float32[np.ndarray, " voxels"],
    square: Float32[np.ndarray, " voxels"],
    nucleus: Float32[np.ndarray, " voxels"],
    contrast: Float32[np.ndarray, " voxels"],
    cytoplasm: Float32[np.ndarray, " voxels"],
    nucleolus: Float32[np.ndarray, " voxels"],
) -> Float32[np.ndarray, " voxels"]:
    """Return a soma's brightness over the background at distances from its outline and its centre.

    A dark nucleus of that radius lies in paler cytoplasm, and a bright dot in its middle.
    """
    ratio = brightness_at(_PROFILE, outline)
    ratio -= np.float32(1)
    ratio *= contrast
    # From the nucleus's edge inwards, over a voxel and a half.
    dark = nucleus - np.sqrt(square)
    dark *= np.float32(1 / 1.5)
    dark += np.float32(0.5)
    np.clip(dark, 0, 1, out=dark)
    dark *= np.float32(1) - cytoplasm
    dark += cytoplasm
    ratio *= np.where(outline < 0, dark, np.float32(1))
    ratio += np.float32(1)
    ratio += nucleolus * np.maximum(np.float32(1) - square * np.float32(0.13), np.float32(0))
    return ratio
