"""Intervals of scores over the cubes of a test set: its slices are neighbours, and no independent samples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, Shaped

from mtneuro_suite._shared.sample_ids import parsed_ids


def places(sample_id: Sequence[str] | np.ndarray) -> Shaped[np.ndarray, " n"]:
    """Return the cube of each sample; that of a tile shifted about one, ``B-CTX@64,0``, is ``B-CTX``.

    Examples
    --------
    >>> places(["A-CTX/z110", "A-CTX/z111/tl", "B-VP@64,128/z0"]).tolist()
    ['A-CTX', 'A-CTX', 'B-VP']
    """
    return np.array([name.partition("@")[0] for name in parsed_ids(sample_id).cube.tolist()], dtype=np.str_)


def ratio_interval(
    parts: Float[np.ndarray, "cubes ratios"], wholes: Float[np.ndarray, "cubes ratios"]
) -> tuple[float, float] | None:
    """Return the 95 % interval of a share that is a ratio of sums over cubes, or the mean of several ratios.

    That of `ratio_ends`, within 0 and 1.

    Examples
    --------
    >>> low, high = ratio_interval(np.array([[6.0], [7], [8]]), np.full((3, 1), 10.0))
    >>> round(low, 2), round(high, 2)
    (0.45, 0.95)
    """
    ends = ratio_ends(parts, wholes)
    return None if ends is None else (max(0.0, ends[0]), min(1.0, ends[1]))


def ratio_ends(
    parts: Float[np.ndarray, "cubes ratios"], wholes: Float[np.ndarray, "cubes ratios"]
) -> tuple[float, float] | None:
    """Return the 95 % interval of a ratio of sums over cubes, or of the mean of several such ratios.

    Student's, by the residuals of the ratio, with a degree of freedom less than there are cubes: W. G.
    Cochran (1977), Sampling Techniques, 3rd ed., Wiley, sections 6.4 and 9.7. It is that of a mean over
    cubes where these weigh alike.

    Parameters
    ----------
    parts, wholes
        Numerator and denominator of each ratio in each cube: of an accuracy the right samples, and all.

    Returns
    -------
    interval
        Both ends; None for fewer than three cubes, and where all have the same ratio, which says nothing of
        how much they vary.
    """
    count, summed = len(parts), wholes.sum(axis=0)
    there = summed > 0
    if count < 3 or not there.any():
        return None
    parts, wholes, summed = parts[:, there], wholes[:, there], summed[there]
    ratio = parts.sum(axis=0) / summed
    away = ((parts - ratio * wholes) / summed).mean(axis=1)
    half = _student(count) * float(np.sqrt(count / (count - 1) * (away**2).sum()))
    if half < 1e-12:
        return None
    mean = float(ratio.mean())
    return mean - half, mean + half


def _student(count: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, 0.975))


@dataclass(frozen=True, slots=True, eq=False)
class CubeCounts:
    """How many samples of each cube are right, and how many there are."""

    cubes: tuple[str, ...]
    right: Int64[np.ndarray, " cubes"]
    samples: Int64[np.ndarray, " cubes"]

    @classmethod
    def of(cls, right: Bool[np.ndarray, " n"], sample_id: Sequence[str] | np.ndarray) -> "CubeCounts":
        """Return the counts of samples by their ids.

        Examples
        --------
        >>> CubeCounts.of(np.array([True, False, True]), ["A/z0", "B/z0", "A/z1"]).right.tolist()
        [2, 0]
        """
        names, home = np.unique(places(sample_id), return_inverse=True)
        hits = np.bincount(home, weights=right).astype(np.int64)
        return cls(tuple(names.tolist()), hits, np.bincount(home).astype(np.int64))

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the share of all samples that is right: see `ratio_interval`."""
        return ratio_interval(self.right[:, None].astype(float), self.samples[:, None].astype(float))
