"""Draw a map of embeddings in colour over the slice that it was computed from."""

import numpy as np
from jaxtyping import Bool, Float, UInt8

from mtneuro_ssl.dense import Grid

_SIDE = 2000
"""Largest height or width of a picture, in pixels."""

_OPACITY = 0.65


def principal_colours(
    embeddings: Float[np.ndarray, "*grid features"], *, inside: Bool[np.ndarray, "*grid"] | None = None
) -> UInt8[np.ndarray, "*grid 3"]:
    """Return the first three principal components of embeddings as red, green and blue.

    A component's values are shown by their ranks, so that outliers do not darken the rest. With fewer than
    three features, the colours that are left over are 0.

    Parameters
    ----------
    embeddings
        Embeddings on a grid.
    inside
        Which of them to show: the components are computed from these alone. The others are black, and so are
        embeddings that are missing (nan).
    """
    rows = embeddings.reshape(-1, embeddings.shape[-1]).astype(np.float64)
    shown = np.isfinite(rows).all(axis=1)
    if inside is not None:
        shown &= inside.ravel()
    colours = np.zeros((len(rows), 3), np.uint8)
    centred = rows[shown] - rows[shown].mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    ranks = (centred @ directions[:3].T).argsort(axis=0).argsort(axis=0)
    bright = np.rint(255 * ranks / max(len(ranks) - 1, 1)).astype(np.uint8)
    colours[np.flatnonzero(shown)[:, None], np.arange(bright.shape[1])] = bright
    return colours.reshape(*embeddings.shape[:-1], 3)


def colour_picture(
    embeddings: Float[np.ndarray, "rows columns features"], slice_: UInt8[np.ndarray, "y x"], grid: Grid
) -> UInt8[np.ndarray, "height width 3"]:
    """Return a slice with the first three principal components of its windows' embeddings laid over it.

    Outside the tissue the picture stays grey. A slice that is larger than 2000 pixels is reduced, by taking
    every second pixel, every third, and so on.
    """
    inside = tissue_windows(slice_, grid)
    every = -(-max(slice_.shape) // _SIDE)
    rows, columns = grid.nearest_windows(every=every)
    colours = principal_colours(embeddings, inside=inside)[rows][:, columns]
    grey = np.broadcast_to(slice_[::every, ::every, None], colours.shape)
    over = np.rint(_OPACITY * colours + (1 - _OPACITY) * grey).astype(np.uint8)
    return np.where(inside[rows][:, columns, None], over, grey)


def tissue_windows(slice_: UInt8[np.ndarray, "y x"], grid: Grid) -> Bool[np.ndarray, "rows columns"]:
    """Return which windows are tissue: nine tenths of their pixels exceed a fifth of the brightest.

    The brightest is the slice's 99th percentile. The background is black or nearly so; if it were included,
    its edge would outweigh all differences within the tissue. If no window is tissue by this rule, all are.
    """
    floor = np.percentile(slice_, 99) / 5
    inside = (grid.windows(slice_) > floor).mean(axis=(1, 2)).reshape(grid.shape) >= 0.9
    return inside if inside.any() else np.ones_like(inside)
