"""Somata: ellipsoids on a jittered lattice, so that they keep their distance as real ones do."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from mtneuro_data.phantom.areas import Areas
from mtneuro_data.phantom.bundles import bundle_field
from mtneuro_data.phantom.lattice import site_hash, uniforms
from mtneuro_data.phantom.tissue import table

_SPACING = 20
_JITTER = 1.0  # all of its own cube: less, and the density would wave along the axes
_REACH = 20  # the longest half axis and the halo
_EDGE = 6.0

# Brightness over the local background by distance from the annotated outline, from deep inside to outside.
_DISTANCE = np.array([-5.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.5, 6.0])
_RATIO = np.array([0.36, 0.36, 0.40, 0.50, 0.67, 0.86, 1.00, 1.06, 1.04, 1.0])
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
    contrast: Float32[np.ndarray, " cells"]
    nucleolus: Float32[np.ndarray, " cells"]


def cells_near(seed: int, areas: Areas, lower: tuple[int, ...], upper: tuple[int, ...]) -> Cells:
    """Return every soma that can reach into the half-open box."""
    sites = [
        np.arange((lo - _REACH) // _SPACING - 1, (hi + _REACH) // _SPACING + 2)
        for lo, hi in zip(lower, upper, strict=True)
    ]
    site = np.stack([axis.ravel() for axis in np.meshgrid(*sites, indexing="ij")], axis=1)
    word = site_hash(seed, 3, site[:, 0], site[:, 1], site[:, 2])
    drawn = uniforms(word, 11)
    jitter = np.stack(drawn[:3], axis=1).astype(np.float64)
    centre = (site + 0.5 + _JITTER * (jitter - 0.5)) * _SPACING
    near = np.all((centre > np.array(lower) - _REACH) & (centre < np.array(upper) + _REACH), axis=1)
    centre, drawn = centre[near], [value[near] for value in drawn]

    z, y, x = centre.T
    label = areas.at(z, y, x)
    in_axons = bundle_field(seed, label, z, y, x) > 0
    share = np.where(in_axons, table("cell_share_in_axons")[label], table("cell_share")[label])
    alive = drawn[3] < share
    centre, label, drawn = centre[alive], label[alive], [value[alive] for value in drawn]

    spread = (drawn[4] + drawn[5] + drawn[6]) / np.float32(1.5) - np.float32(1)  # -1 to 1, near normal
    axis = np.stack(drawn[7:10], axis=1) - np.float32(0.5)
    length = np.sqrt(axis[:, 0] * axis[:, 0] + axis[:, 1] * axis[:, 1] + axis[:, 2] * axis[:, 2])
    axis /= np.maximum(length, np.float32(1e-6))[:, None]
    ratio = np.float32(0.6) + np.float32(0.4) * drawn[10]
    radius = table("cell_radius")[label] * (np.float32(1) + np.float32(0.45) * spread)
    return Cells(
        centre=centre,
        # Close to the cube root of the ratio: the volume stays that of a ball of this radius.
        short=radius * (np.float32(0.62) + np.float32(0.38) * ratio),
        axis=axis,
        ratio=ratio,
        contrast=np.float32(0.75) + np.float32(0.35) * drawn[4],
        nucleolus=table("nucleolus")[label],
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
    for k in range(len(cells.centre)):
        centre = cells.centre[k]
        half = float(cells.short[k] / cells.ratio[k]) + _EDGE
        start = [max(int(np.floor(c - half)) - lo, 0) for c, lo in zip(centre, lower, strict=True)]
        stop = [
            min(int(np.floor(c + half)) + 1 - lo, size)
            for c, lo, size in zip(centre, lower, distance.shape, strict=True)
        ]
        if any(b <= a for a, b in zip(start, stop, strict=True)):
            continue
        window = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        z, y, x = (
            (np.arange(a + lo, b + lo) - c).astype(np.float32)
            for a, b, lo, c in zip(start, stop, lower, centre, strict=True)
        )
        z, y = z[:, None, None], y[:, None]
        dz, dy, dx = cells.axis[k]
        along = (z * dz + y * dy) + x * dx
        square = (z * z + y * y) + x * x
        stretch = cells.ratio[k] * cells.ratio[k] - np.float32(1)
        outline = np.sqrt(np.maximum(square + stretch * along * along, np.float32(0)))
        outline -= cells.short[k]
        if outline.min() >= _EDGE:
            continue
        position = np.clip((outline + np.float32(8)) * np.float32(_STEPS), 0, len(_PROFILE) - 1)
        profile = _PROFILE[position.astype(np.int64)]
        profile = np.float32(1) - cells.contrast[k] * (np.float32(1) - profile)
        core = np.clip(np.float32(1.5) - np.float32(0.5) * np.sqrt(square), 0, 1)
        profile *= np.float32(1) - cells.nucleolus[k] * core
        nearest = outline < distance[window]
        distance[window][nearest] = outline[nearest]
        ratio[window][nearest] = profile[nearest]
