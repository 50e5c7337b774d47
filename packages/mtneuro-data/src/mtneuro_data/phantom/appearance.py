"""Grey levels: the background's level and texture, and what bundles, cells and vessels do to them."""

import numpy as np
from jaxtyping import Float64, UInt8

from mtneuro_data.phantom.areas import Areas, outlines
from mtneuro_data.phantom.spline import point_noise
from mtneuro_data.phantom.tissue import TISSUES, table

TEXTURE_SPACING = (2.4, 2.6, 2.1)
"""Lattice of the background texture, ``(z, y, x)`` in voxels, from its measured autocorrelation."""

GRAIN_SPACING = (4.5, 4.5, 4.0)
"""Lattice of the granular fibre of VP and ZI."""

_ANCHOR_WIDTH = 200.0
_DRIFT = 0.03


def level_field(
    seed: int,
    areas: Areas,
    labels: UInt8[np.ndarray, "..."],
    z: Float64[np.ndarray, "..."],
    y: Float64[np.ndarray, "..."],
    x: Float64[np.ndarray, "..."],
) -> Float64[np.ndarray, "..."]:
    """Return the grey level between the structures at places given in voxels.

    The 16 cubes' measured modes stand where the cubes lie; in between the nearer ones weigh more. A slow
    drift of 3 % goes over it, mostly along z.
    """
    native_z, row, column = areas.native(z, y, x)
    level = np.full(labels.shape, 110.0)
    for name, anchors in outlines()["levels"].items():
        total = np.zeros(labels.shape)
        weights = np.zeros(labels.shape)
        for anchor_row, anchor_column, mode in anchors:
            far = (row - anchor_row) * (row - anchor_row) + (column - anchor_column) * (
                column - anchor_column
            )
            near = 1 / (1 + far / _ANCHOR_WIDTH**2)
            weight = near * near
            total += weight * mode
            weights += weight
        chosen = np.array([tissue.level == name for tissue in TISSUES])[labels]
        level[chosen] = (total / weights)[chosen]
    level *= table("background")[labels]
    return level * (1 + _DRIFT * point_noise(seed, 7, native_z / 90, row / 400, column / 400))
