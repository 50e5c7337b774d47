"""Reduce images by area means and labels by majority, and cut images into their four corners."""

import numpy as np
from jaxtyping import Bool, Float, Integer, Shaped, UInt64

CORNERS = ("tl", "tr", "bl", "br")
"""The corners of an image in their order: top left, top right, bottom left, bottom right."""

_FEW = 16
"""Fewer labels than this are counted one after another."""


def downsampled_images(
    images: Integer[np.ndarray, "... y x"] | Float[np.ndarray, "... y x"], factor: int, /
) -> Integer[np.ndarray, "... v u"] | Float[np.ndarray, "... v u"]:
    """Return images reduced along rows and columns by the mean of each block.

    Parameters
    ----------
    images
        Any leading axes, then rows and columns.
    factor
        Edge of a block, in pixels.

    Returns
    -------
    reduced
        The means in the images' type; those of whole numbers are rounded, halves to even.

    Raises
    ------
    ValueError
        If the factor does not divide the rows and the columns.

    Examples
    --------
    >>> downsampled_images(np.array([[1, 2, 9, 9], [4, 5, 9, 9]], np.uint8), 2)
    array([[3, 9]], dtype=uint8)
    """
    if factor == 1:
        return images
    blocks = _blocks(images, factor)
    if images.dtype.kind == "f":
        return blocks.mean(axis=(-3, -1), dtype=np.float64).astype(images.dtype)
    wide = np.int64 if images.dtype.kind == "i" else np.uint32 if images.itemsize == 1 else np.uint64
    return np.rint(blocks.sum(axis=(-3, -1), dtype=wide) / factor**2).astype(images.dtype)


def downsampled_labels(
    labels: Integer[np.ndarray, "... y x"] | Bool[np.ndarray, "... y x"], factor: int, /
) -> Integer[np.ndarray, "... v u"] | Bool[np.ndarray, "... v u"]:
    """Return labels reduced along rows and columns by the majority of each block.

    Parameters
    ----------
    labels
        Any leading axes, then rows and columns.
    factor
        Edge of a block, in pixels.

    Returns
    -------
    reduced
        The most frequent label of each block; of equally frequent ones the smallest.

    Raises
    ------
    ValueError
        If the factor does not divide the rows and the columns.

    Examples
    --------
    >>> downsampled_labels(np.array([[1, 1, 3, 3], [1, 0, 2, 2]], np.uint8), 2)
    array([[1, 2]], dtype=uint8)
    """
    if factor == 1:
        return labels
    blocks = _blocks(labels, factor)
    highest = int(labels.max(initial=0))
    if not 0 <= highest < _FEW or labels.dtype.kind != "u":
        return _majority(blocks)
    winner = np.zeros(blocks.shape[:-3] + blocks.shape[-2:-1], labels.dtype)
    most = np.zeros(winner.shape, np.int32)
    for value in range(highest + 1):  # ascending, so a tie keeps the smaller
        count = (blocks == value).sum(axis=(-3, -1), dtype=np.int32)
        more = count > most
        winner[more] = value
        np.maximum(most, count, out=most)
    return winner


def downsampled_instances(
    ids: Integer[np.ndarray, "... y x"], inside: Bool[np.ndarray, "... y x"], factor: int, /
) -> UInt64[np.ndarray, "... v u"]:
    """Return ids of objects reduced along rows and columns, whatever lies around the objects.

    Parameters
    ----------
    ids
        Ids of any leading axes, then rows and columns; none is negative where ``inside`` holds.
    inside
        Which pixels belong to objects.
    factor
        Edge of a block, in pixels.

    Returns
    -------
    reduced
        The most frequent id of each block's pixels inside; of equally frequent ones the smallest; 0 in a
        block without any.

    Raises
    ------
    ValueError
        If the factor does not divide the rows and the columns.

    Examples
    --------
    >>> ids = np.array([[7, 0, 7, 0], [0, 0, 9, 9]])
    >>> downsampled_instances(ids, ids > 0, 2)
    array([[7, 9]], dtype=uint64)
    """
    found = np.where(inside, ids, 0).astype(np.uint64)
    if factor == 1 or not inside.any():
        return downsampled_labels(found, factor)
    # Ranks, as ids may take the whole range of their type. What lies outside counts once in a block.
    known, ranks = np.unique(found, return_inverse=True)
    ranks = ranks.reshape(found.shape).astype(np.int64)
    at = np.arange(factor)
    outside = np.tile(at[:, None] * factor + at, (ids.shape[-2] // factor, ids.shape[-1] // factor))
    reduced = downsampled_labels(np.where(inside, ranks, len(known) + outside), factor)
    return np.append(known, np.zeros(factor**2, np.uint64))[reduced]


def _majority(blocks: Integer[np.ndarray, "..."]) -> Integer[np.ndarray, "..."]:
    """Return the most frequent label of each block, the smallest on a tie, however many labels there are."""
    size = blocks.shape[-3] * blocks.shape[-1]
    moved = np.moveaxis(blocks, -3, -2)
    shape = moved.shape[:-2]
    winner = np.ascontiguousarray(moved[..., 0, 0]).reshape(-1)
    rows = moved.reshape(-1, size)
    # Most blocks lie within one object: only the others are sorted.
    mixed = np.flatnonzero((rows != rows[:, :1]).any(axis=1))
    rows = np.sort(rows[mixed], axis=1)
    winner[mixed] = rows[:, 0]
    for apart in range(1, size):
        # A label that stands so far from itself in a sorted row is there more often than that.
        again = rows[:, apart:] == rows[:, :-apart]
        there = again.any(axis=1)
        if not there.any():
            break
        mixed, rows, again = mixed[there], rows[there], again[there]
        winner[mixed] = rows[np.arange(len(rows)), again.argmax(axis=1)]
    return winner.reshape(shape)


def four_corners(images: Shaped[np.ndarray, "... y x"], /) -> Shaped[np.ndarray, "... 4 v u"]:
    """Return the four corners of each image: top left, top right, bottom left, bottom right.

    A corner is half the rows and half the columns, rounded down; the middle row or column of an
    odd number belongs to no corner.

    Raises
    ------
    ValueError
        If an image is smaller than 2 by 2.

    Examples
    --------
    >>> four_corners(np.array([[1, 2], [3, 4]], np.uint8)).ravel()
    array([1, 2, 3, 4], dtype=uint8)
    """
    rows, columns = images.shape[-2:]
    y, x = rows // 2, columns // 2
    if y == 0 or x == 0:
        raise ValueError(f"an image needs at least 2 by 2 pixels to have corners, got {rows} by {columns}")
    top, bottom = images[..., :y, :], images[..., rows - y :, :]
    return np.stack(
        [half[..., cut] for half in (top, bottom) for cut in (slice(0, x), slice(columns - x, columns))],
        axis=-3,
    )


def _blocks(array: np.ndarray, factor: int) -> np.ndarray:
    if factor < 1:
        raise ValueError(f"factor must be 1 or more, got {factor}")
    *lead, rows, columns = array.shape
    if rows % factor or columns % factor:
        raise ValueError(f"factor {factor} must divide rows and columns, got {rows} by {columns}")
    return array.reshape(*lead, rows // factor, factor, columns // factor, factor)
