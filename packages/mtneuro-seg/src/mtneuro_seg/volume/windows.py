"""The grid of windows that slide over a volume, and the weight of each voxel of a window."""

import itertools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32


def window_starts(length: int, window: int, *, overlap: float) -> tuple[int, ...]:
    """Return where windows start along one axis: at even steps, the last one moved back to end with the axis.

    The grid depends on the volume alone, not on how the volume is cut for reading, writing or sharing.

    Parameters
    ----------
    length
        Voxels along the axis.
    window
        Voxels of a window along it; a shorter axis has one window, that reaches beyond it.
    overlap
        Fraction of a window that the next one overlaps, in ``[0, 1)``.

    Examples
    --------
    >>> window_starts(20, 8, overlap=0.25)
    (0, 6, 12)
    >>> window_starts(5, 8, overlap=0.25)
    (0,)
    """
    step = max(int(window * (1 - overlap)), 1)
    last = max(length - window, 0)
    return (*range(0, last, step), last)


def windows_over(
    shape: tuple[int, int, int],
    window: tuple[int, int, int],
    *,
    overlap: tuple[float, float, float],
    rows: range,
) -> Iterator[tuple[int, int, int]]:
    """Yield the first corners, in ``(z, y, x)`` order, of all windows that touch the slices of ``rows``.

    Examples
    --------
    >>> list(windows_over((4, 8, 12), (1, 8, 8), overlap=(0, 0.5, 0.5), rows=range(2, 3)))
    [(2, 0, 0), (2, 0, 4)]
    """
    grids = [window_starts(*axis[:2], overlap=axis[2]) for axis in zip(shape, window, overlap, strict=True)]
    touching = [z for z in grids[0] if z < rows.stop and z + window[0] > rows.start]
    yield from itertools.product(touching, grids[1], grids[2])


def gaussian_weights(window: tuple[int, ...]) -> Float32[np.ndarray, "*window"]:
    """Return the weight of each voxel of a window: a Gaussian about its centre, an eighth of the window wide.

    The weight never falls below a thousandth, so that a voxel which only one window reaches keeps that
    window's scores.

    Examples
    --------
    >>> weights = gaussian_weights((8, 8))
    >>> bool(weights[0, 0] < weights[3, 3]), bool(weights[3, 3] == weights[4, 4])
    (True, True)
    """
    weights = np.ones((), np.float32)
    for length in window:
        offset = np.arange(length, dtype=np.float32) - np.float32((length - 1) / 2)
        weights = weights[..., None] * np.exp(offset**2 / np.float32(-2 * (length / 8) ** 2))
    return np.maximum(weights, np.float32(1e-3))
