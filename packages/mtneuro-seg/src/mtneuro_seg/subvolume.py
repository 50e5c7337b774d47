"""Cut a stack of slices into subvolumes, to train 3D networks on."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Int64, Integer, Shaped

from mtneuro_seg._shared.sample_ids import consecutive_runs, why_apart
from mtneuro_seg.volume.windows import window_starts


def subvolumes(
    slices: Shaped[np.ndarray, "slices y x"],
    *,
    depth: int = 8,
    overlap: float = 0.0,
    groups: Integer[np.ndarray, " slices"] | None = None,
    sample_id: Sequence[str] | np.ndarray | None = None,
) -> Shaped[np.ndarray, "subvolumes depth y x"]:
    """Return runs of neighbouring slices, none of which crosses from one cube into another, or a gap.

    The paper cuts its subvolumes side by side, and suggests overlapping ones, which would be more.

    Parameters
    ----------
    slices
        Images or masks. Without ids they are taken as consecutive slices, within each group.
    depth
        Slices of a subvolume.
    overlap
        Fraction of a subvolume that the next one overlaps, in ``[0, 1)``. At 0, slices at a group's end that
        do not fill a subvolume are left out; above 0, the last subvolume is moved back to end with its group.
    groups
        A number for every slice that says which stack it is from; by default all are from one.
    sample_id
        Instead of groups: the id of every slice, ``<cube>/z<z>``, in any order. Only slices of one cube whose
        z follow one another are neighbours; an image whose id has another form has none.

    Raises
    ------
    ValueError
        If there is no run of neighbouring slices as deep as a subvolume, an id names a slice twice, groups
        and ids are both given, or a number is out of its range.

    Examples
    --------
    >>> stack = np.arange(20).reshape(20, 1, 1)
    >>> subvolumes(stack, depth=8)[:, 0, 0, 0]
    array([0, 8])
    >>> subvolumes(stack, depth=8, overlap=0.5)[:, 0, 0, 0]
    array([ 0,  4,  8, 12])
    """
    cuts = subvolume_slices(len(slices), depth=depth, overlap=overlap, groups=groups, sample_id=sample_id)
    return slices[cuts]


def subvolume_slices(
    count: int,
    *,
    depth: int = 8,
    overlap: float = 0.0,
    groups: Integer[np.ndarray, " slices"] | None = None,
    sample_id: Sequence[str] | np.ndarray | None = None,
) -> Int64[np.ndarray, "subvolumes depth"]:
    """Return which slices make up each subvolume; the parameters are those of `subvolumes`."""
    if depth < 1 or not 0 <= overlap < 1:
        raise ValueError(f"depth must be at least 1 and overlap lie in [0, 1), got {depth} and {overlap}")
    runs = _runs(count, groups, sample_id)
    cuts = [run[start : start + depth] for run in runs for start in _starts(len(run), depth, overlap)]
    if not cuts:
        raise _too_shallow(count, depth, longest=max(map(len, runs), default=0), sample_id=sample_id)
    return np.stack(cuts)


def _runs(
    count: int, groups: Integer[np.ndarray, " slices"] | None, sample_id: Sequence[str] | np.ndarray | None
) -> list[Int64[np.ndarray, " rows"]]:
    """Return the rows of each run of neighbouring slices."""
    if sample_id is None:
        stacks = np.zeros(count, np.int64) if groups is None else groups
        if len(stacks) != count:
            raise ValueError(f"groups must name all {count} slices, got {len(stacks)}")
        bounds = [0, *(np.flatnonzero(np.diff(stacks)) + 1).tolist(), count]
        return [np.arange(first, stop) for first, stop in pairwise(bounds)]
    if groups is not None:
        raise ValueError("either groups or sample_id must say which slices are neighbours, got both")
    if len(sample_id) != count:
        raise ValueError(f"sample_id must name all {count} slices, got {len(sample_id)}")
    return consecutive_runs(sample_id)


def _too_shallow(
    count: int, depth: int, *, longest: int, sample_id: Sequence[str] | np.ndarray | None
) -> ValueError:
    if sample_id is None:
        return ValueError(f"some region must hold a subvolume of {depth} slices, got {count} slices in all")
    reason = why_apart(sample_id)
    return ValueError(
        f"some cube must hold {depth} consecutive slices for a subvolume, got {longest} at most"
        + (f": {reason}" if reason else "")
        + f"; load every slice (z_step = 1), or whole subvolumes (depth = {depth} in the task), or lower "
        "depth (--depth)"
    )


def _starts(length: int, depth: int, overlap: float) -> tuple[int, ...]:
    if overlap and length >= depth:
        return window_starts(length, depth, overlap=overlap)
    return tuple(range(0, length - depth + 1, depth))
