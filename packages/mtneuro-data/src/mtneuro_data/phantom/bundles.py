"""Axon bundles: where a slow field, drawn out along each area's own direction, is above zero."""

import numpy as np
from jaxtyping import Float64, UInt8

from mtneuro_data.phantom.areas import AREA_NAMES
from mtneuro_data.phantom.spline import point_noise

# Direction in the (x, y) plane with y downwards, period along it, across it and along z in voxels, and what
# is added to noise of standard deviation 1 before it is cut at zero: high where nearly all is axon.
_FORMS: dict[str, tuple[tuple[float, float], tuple[float, float, float], float]] = {
    "STR": ((0.995, 0.100), (150.0, 34.0, 46.0), -0.85),
    "TRN": ((0.85, 0.527), (160.0, 24.0, 60.0), 0.2),
    "VP": ((-0.797, 0.604), (320.0, 28.0, 80.0), 0.74),
    "ZI": ((-0.94, 0.342), (60.0, 22.0, 40.0), 0.47),
    "IC": ((0.97, 0.243), (260.0, 24.0, 60.0), 1.9),
    "HYP": ((0.0, 1.0), (60.0, 22.0, 40.0), 0.1),
    "CC": ((0.14, 0.99), (220.0, 20.0, 50.0), 2.0),
}


def bundle_field(
    seed: int,
    areas: UInt8[np.ndarray, "..."],
    z: Float64[np.ndarray, "..."],
    y: Float64[np.ndarray, "..."],
    x: Float64[np.ndarray, "..."],
) -> Float64[np.ndarray, "..."]:
    """Return how far inside a bundle each place is: above 0 inside, 0 where the area has no axons."""
    field = np.zeros(areas.shape)
    for label, name in enumerate(AREA_NAMES):
        chosen = areas == label
        if name not in _FORMS or not chosen.any():
            continue
        (along_x, along_y), (length, width, depth), offset = _FORMS[name]
        z1, y1, x1 = (np.broadcast_to(axis, areas.shape)[chosen] for axis in (z, y, x))
        # Bundles wander: the place across them is shifted slowly along their way.
        across = y1 * along_x - x1 * along_y
        along = x1 * along_x + y1 * along_y
        across = across + 0.6 * width * point_noise(seed, 20 + label, z1 / 150, across / 300, along / 220)
        coarse = point_noise(seed, 30 + label, z1 / depth, across / width, along / length)
        fine = point_noise(seed, 40 + label, 2 * z1 / depth, 2 * across / width, 1.6 * along / length)
        field[chosen] = 0.87 * coarse + 0.5 * fine + offset
    return field
