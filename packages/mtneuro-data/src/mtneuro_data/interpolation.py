"""Interpolate labels between annotated slices by moving each boundary at a constant speed."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Integer

_FAR = np.iinfo(np.int32).max


def interpolated_labels(
    labels: Integer[np.ndarray, "annotated y x"],
    z: Integer[np.ndarray, " annotated"],
    /,
    *,
    undecided: int = 255,
    progress: Callable[[int, int], None] | None = None,
) -> Integer[np.ndarray, "slices y x"]:
    """Return labels for every slice from the first annotated one to the last.

    Parameters
    ----------
    labels
        The annotated slices.
    z
        Their z positions, ascending.
    undecided
        Label for pixels that cannot be interpolated.
    progress
        Called with the number of gaps done and the number of all gaps.

    Returns
    -------
    filled
        Slices ``z[0]`` to ``z[-1]``; the annotated ones are unchanged.

    Raises
    ------
    ValueError
        If there are fewer than two slices, ``z`` does not ascend, or ``undecided`` is in use.

    Notes
    -----
    This follows appendix 1.3 of the paper, which halves each transition between two classes again and
    again; this function gives the limit of that procedure. A pixel with one label in both annotated slices
    keeps it. Where the label changes from a to b, the boundary moves at a constant speed from the side that
    stays b to the side that stays a: with distances d_a and d_b to those sides, counted through the
    transition itself, the pixel changes after the fraction d_b / (d_a + d_b) of the gap. A transition that
    does not reach from one side to the other (a part that appears, vanishes or jumps) is marked as
    undecided, for a person to label.

    Examples
    --------
    >>> first, last = np.array([[1, 1, 1, 1, 1, 2]]), np.array([[1, 2, 2, 2, 2, 2]])
    >>> interpolated_labels(np.stack([first, last]), np.array([0, 2]))[1]
    array([[1, 1, 1, 2, 2, 2]])
    """
    if len(labels) < 2 or len(z) != len(labels):
        raise ValueError(
            f"need two annotated slices or more and a position for each, got {len(labels)} and {len(z)}"
        )
    if (np.diff(z) < 1).any():
        raise ValueError(f"the positions of the annotated slices must ascend, got {z.tolist()}")
    if (labels == undecided).any():
        raise ValueError(f"the label for undecided pixels must not be in use, got {undecided}")
    dtype = np.result_type(labels, np.min_scalar_type(undecided))
    filled = np.empty((int(z[-1] - z[0]) + 1, *labels.shape[1:]), dtype)
    filled[0] = labels[0]
    gaps = len(z) - 1
    for gap in range(gaps):
        start, stop = int(z[gap] - z[0]), int(z[gap + 1] - z[0])
        share, known = _changing_share(labels[gap], labels[gap + 1])
        for at in range(start + 1, stop):
            changed = share <= (at - start) / (stop - start)
            filled[at] = np.where(changed, labels[gap + 1], labels[gap])
            filled[at][~known] = undecided
        filled[stop] = labels[gap + 1]
        if progress is not None:
            progress(gap + 1, gaps)
    return filled


def _changing_share(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the fraction of the gap after which each pixel changes, and whether that is known."""
    share = np.zeros(first.shape)
    same = first == last
    known = same.copy()
    pairs = np.unique(np.stack([first[~same], last[~same]]), axis=1).T
    for a, b in pairs:
        transition = (first == a) & (last == b)
        box = _bounding_box(transition)
        inside = transition[box]
        to_a = _distance_through(inside, same[box] & (first[box] == a))
        to_b = _distance_through(inside, same[box] & (first[box] == b))
        reached = inside & (to_a < _FAR) & (to_b < _FAR)
        # Half a pixel: distances are from the middle of a pixel to the boundary before the next.
        near_a, near_b = to_a[reached] - 0.5, to_b[reached] - 0.5
        share[box][reached] = near_b / (near_a + near_b)
        known[box][reached] = True
    return share, known


def _bounding_box(mask: np.ndarray) -> tuple[slice, slice]:
    """Return the smallest box around a mask, with a margin of one pixel where there is room."""
    y, x = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(max(0, y[0] - 1), y[-1] + 2), slice(max(0, x[0] - 1), x[-1] + 2)


def _distance_through(inside: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Return the number of steps from a side through a region.

    Steps go to edge neighbours and to corner neighbours alternately, so that their reach is an octagon, which
    is close to a circle.
    """
    distance = np.full(inside.shape, _FAR, np.int64)
    front, step = side, 0
    left = inside.copy()
    while True:
        step += 1
        grown = _grown(front, corners=step % 2 == 0) & left
        if not grown.any():
            # The front may be able to advance across corners only.
            grown = _grown(front, corners=True) & left
            if not grown.any():
                return distance
        distance[grown] = step
        left &= ~grown
        front = front | grown


def _grown(mask: np.ndarray, *, corners: bool) -> np.ndarray:
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    rows = grown if corners else mask
    out = grown.copy()
    out[:, 1:] |= rows[:, :-1]
    out[:, :-1] |= rows[:, 1:]
    return out
