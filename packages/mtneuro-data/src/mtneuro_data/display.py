"""What a viewer is told of a volume: the intensities that it shows at first."""

import numpy as np

from mtneuro_data.box import Corner
from mtneuro_data.volume import Volume

_HALF = 256
"""Voxels on each side of a place that are looked at."""


def display_range(volume: Volume, place: Corner, /) -> tuple[float, float]:
    """Return the intensities of an image that are shown black and white at first.

    Bytes are shown as they are, and nothing is read. Of other types, the range is that of most voxels of a
    slice of 512 x 512 around a place, from the 0.5th to the 99.5th percentile.

    Parameters
    ----------
    volume
        The image.
    place
        A voxel ``(z, y, x)`` of it.

    Examples
    --------
    >>> from mtneuro_data import open_volume
    >>> display_range(open_volume("phantom://image?shape=16,64,64"), (8, 32, 32))
    (0.0, 255.0)
    """
    if volume.dtype == np.uint8:
        return 0.0, 255.0
    (z, y, x), (_, rows, columns) = place, volume.shape
    lower = (z, max(0, y - _HALF), max(0, x - _HALF))
    upper = (z + 1, min(rows, y + _HALF), min(columns, x + _HALF))
    voxels = volume.read(lower, upper).astype(float)
    finite = voxels[np.isfinite(voxels)]
    low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0)
    return float(low), float(high if high > low else low + 1)
