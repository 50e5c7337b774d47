"""Somata: lopsided ellipsoids at a distance from each other, as real ones are."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Bool, Float32, Float64

from mtneuro_data.phantom.areas import Areas
from mtneuro_data.phantom.bundles import bundle_field
from mtneuro_data.phantom.lattice import site_hash, uniforms
from mtneuro_data.phantom.tissue import table

_SPACING = 16
_REPULSION = 10.5  # voxels; of two candidates nearer than this, one is dropped
_REACH = 22  # the longest half axis and the halo
_EDGE = 5.0

# Brightness over the local background by distance from the annotated outline, from deep inside to outside.
_DISTANCE = np.array([-6.0, -3.0, -2.0, -1.2, -0.5, 0.0, 0.7, 1.5, 2.5, 3.7, 5.0])
_RATIO = np.array([0.32, 0.28, 0.34, 0.45, 0.62, 0.77, 0.95, 1.06, 1.07, 1.03, 1.0])
_STEPS = 32
_PROFILE = np.interp(np.arange(-8 * _STEPS, int(_EDGE) * _STEPS + 2) / _STEPS, _DISTANCE, _RATIO).astype(
    np.float32
)


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
    """Where the outline bulges, and by which share of the short axis."""
    contrast: Float32[np.ndarray, " cells"]
    nucleus: Float32[np.ndarray, " cells"]
    """How much brighter than the rim the inside is, over the local background."""
    nucleolus: Float32[np.ndarray, " cells"]
    """The same of the bright dot in the middle; 0 where there is none."""


def _direction(drawn: list[Float32[np.ndarray, " cells"]]) -> Float32[np.ndarray, "cells axes"]:
    """Return unit vectors from three uniform numbers each."""
    axis = np.stack(drawn, axis=1) - np.float32(0.5)
    length = np.sqrt(axis[:, 0] * axis[:, 0] + axis[:, 1] * axis[:, 1] + axis[:, 2] * axis[:, 2])
    return axis / np.maximum(length, np.float32(1e-6))[:, None]


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
    # Jittered over all of its own cube: over less, and the density would wave along the axes.
    *jitter, chance = uniforms(word, 4)
    centre = np.stack(
        [(axis + place.astype(np.float64)) * _SPACING for axis, place in zip(grid, jitter, strict=True)],
        axis=-1,
    )
    place = (centre[..., 0], centre[..., 1], centre[..., 2])
    label = areas.at(*place)
    in_axons = bundle_field(seed, label, *place) > 0
    share = np.where(in_axons, table("cell_share_in_axons")[label], table("cell_share")[label])
    # A mark of 0 is no candidate; else the lower the chance drawn, the stronger.
    mark = np.where(chance < share, np.float32(1) - chance, np.float32(0))
    inner = (slice(1, -1),) * 3
    kept = _survivors(centre, mark)
    kept &= np.all(
        (centre[inner] > np.array(lower) - _REACH) & (centre[inner] < np.array(upper) + _REACH), -1
    )
    centre, label = centre[inner][kept], label[inner][kept]

    drawn = uniforms(site_hash(seed, 4, *grid)[inner][kept], 14)
    spread = (drawn[0] + drawn[1] + drawn[2]) / np.float32(1.5) - np.float32(1)  # -1 to 1, near normal
    ratio = np.float32(0.48) + np.float32(0.47) * drawn[3]
    radius = table("cell_radius")[label] * (np.float32(1) + np.float32(0.45) * spread)
    return Cells(
        centre=centre,
        # Close to the cube root of the ratio: the volume stays that of a ball of this radius.
        short=radius * (np.float32(0.62) + np.float32(0.38) * ratio),
        axis=_direction(drawn[4:7]),
        ratio=ratio,
        lobe=_direction(drawn[7:10]) * np.float32(0.3),
        contrast=np.float32(0.6) + np.float32(0.45) * np.sqrt(drawn[10]),
        nucleus=table("nucleus")[label] * drawn[11],
        nucleolus=np.where(drawn[12] < np.float32(0.6), table("nucleolus")[label], np.float32(0))
        * (np.float32(0.6) + np.float32(0.6) * drawn[13]),
    )


def draw_cells(
    cells: Cells,
    lower: tuple[int, ...],
    distance: Float32[np.ndarray, "z y x"],
    ratio: Float32[np.ndarray, "z y x"],
) -> None:
    """Write each soma into a box's distance to the nearest outline, and its brightness ratio, in place.

    Where two are near, the one whose outline is nearest decides; at equal distance, the first.
    """
    grid = [
        np.arange(lo, lo + size, dtype=np.float64) for lo, size in zip(lower, distance.shape, strict=True)
    ]
    half = ((cells.short / cells.ratio) * np.float32(1.35) + np.float32(_EDGE)).astype(np.float64)[:, None]
    low = np.maximum(np.floor(cells.centre - half).astype(np.int64) - np.array(lower), 0)
    high = np.floor(cells.centre + half).astype(np.int64) + 1 - np.array(lower)
    high = np.minimum(high, np.array(distance.shape))
    # Plain lists: indexing arrays one number at a time would cost more than the drawing.
    rows = zip(
        low.tolist(),
        high.tolist(),
        cells.centre.tolist(),
        cells.short.tolist(),
        cells.axis.tolist(),
        (cells.ratio * cells.ratio - np.float32(1)).tolist(),
        (cells.lobe * cells.short[:, None]).tolist(),
        cells.contrast.tolist(),
        cells.nucleus.tolist(),
        cells.nucleolus.tolist(),
        strict=True,
    )
    for first, last, centre, short, axis, stretch, lobe, contrast, nucleus, nucleolus in rows:
        (z0, y0, x0), (z1, y1, x1) = first, last
        if z1 <= z0 or y1 <= y0 or x1 <= x0:
            continue
        z = (grid[0][z0:z1] - centre[0]).astype(np.float32)[:, None, None]
        y = (grid[1][y0:y1] - centre[1]).astype(np.float32)[:, None]
        x = (grid[2][x0:x1] - centre[2]).astype(np.float32)
        square = (z * z + y * y) + x * x
        along = (z * axis[0] + y * axis[1]) + x * axis[2]
        along *= along
        along *= stretch
        outline = np.sqrt(np.maximum(square + along, np.float32(0)))
        outline -= short
        # A bulge on one side and a dent on the other, fading towards the centre.
        outline -= ((z * lobe[0] + y * lobe[1]) + x * lobe[2]) / (np.sqrt(square) + np.float32(1))
        near = distance[z0:z1, y0:y1, x0:x1]
        nearest = outline < np.minimum(near, np.float32(_EDGE))
        if not nearest.any():
            continue
        outline = outline[nearest]
        near[nearest] = outline
        ratio[z0:z1, y0:y1, x0:x1][nearest] = _brightness(
            outline, square[nearest], contrast, nucleus, nucleolus
        )


def _brightness(
    outline: Float32[np.ndarray, " voxels"],
    square: Float32[np.ndarray, " voxels"],
    contrast: float,
    nucleus: float,
    nucleolus: float,
) -> Float32[np.ndarray, " voxels"]:
    """Return a soma's brightness over the background at distances from its outline and its centre."""
    position = np.clip((outline + np.float32(8)) * np.float32(_STEPS), 0, len(_PROFILE) - 1)
    profile = _PROFILE[position.astype(np.int64)]
    profile += nucleus * np.clip((-outline - np.float32(2)) * np.float32(0.5), 0, 1)
    profile -= np.float32(1)
    profile *= contrast
    profile += np.float32(1)
    profile += nucleolus * np.maximum(np.float32(1) - square * np.float32(0.16), np.float32(0))
    return profile
