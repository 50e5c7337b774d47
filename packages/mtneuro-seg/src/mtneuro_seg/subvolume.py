"""Cut a stack of slices into subvolumes, to train 3D networks on."""

from itertools import pairwise

import numpy as np
from jaxtyping import Int64, Integer, Shaped

from mtneuro_seg.volume.windows import window_starts


def subvolumes(
    slices: Shaped[np.ndarray, "slices y x"],
    *,
    depth: int = 8,
    overlap: float = 0.0,
    groups: Integer[np.ndarray, " slices"] | None = None,
) -> Shaped[np.ndarray, "subvolumes depth y x"]:
    """Return runs of neighbouring slices, none of which crosses from one group into another.

    The paper cuts its subvolumes side by side, and suggests overlapping ones, which would be more.

    Parameters
    ----------
    slices
        Images or masks, in the order of z within each group.
    depth
        Slices of a subvolume.
    overlap
        Fraction of a subvolume that the next one overlaps, in ``[0, 1)``. At 0, slices at a group's end that
        do not fill a subvolume are left out; above 0, the last subvolume is moved back to end with its group.
    groups
        A number for every slice that says which region it is from; by default all are from one.

    Raises
    ------
    ValueError
        If no group is as deep as a subvolume, or a number is out of its range.

    Examples
    --------
    >>> stack = np.arange(20).reshape(20, 1, 1)
    >>> subvolumes(stack, depth=8)[:, 0, 0, 0]
    array([0, 8])
    >>> subvolumes(stack, depth=8, overlap=0.5)[:, 0, 0, 0]
    array([ 0,  4,  8, 12])
    """
    return slices[subvolume_slices(len(slices), depth=depth, overlap=overlap, groups=groups)]


def subvolume_slices(
    count: int,
    *,
    depth: int = 8,
    overlap: float = 0.0,
    groups: Integer[np.ndarray, " slices"] | None = None,
) -> Int64[np.ndarray, "subvolumes depth"]:
    """Return which slices make up each subvolume; the parameters are those of `subvolumes`."""
    if depth < 1 or not 0 <= overlap < 1:
        raise ValueError(f"depth must be at least 1 and overlap lie in [0, 1), got {depth} and {overlap}")
    stacks = np.zeros(count, np.int64) if groups is None else groups
    if len(stacks) != count:
        raise ValueError(f"groups must name all {count} slices, got {len(stacks)}")
    bounds = [0, *(np.flatnonzero(np.diff(stacks)) + 1).tolist(), count]
    starts = [
        first + offset for first, stop in pairwise(bounds) for offset in _starts(stop - first, depth, overlap)
    ]
    if not starts:
        raise ValueError(f"some region must hold a subvolume of {depth} slices, got {count} slices in all")
    return np.array(starts)[:, None] + np.arange(depth)


def _starts(length: int, depth: int, overlap: float) -> tuple[int, ...]:
    if overlap and length >= depth:
        return window_starts(length, depth, overlap=overlap)
    return tuple(range(0, length - depth + 1, depth))
