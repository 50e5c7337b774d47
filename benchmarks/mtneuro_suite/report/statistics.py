"""Compute confidence intervals and paired tests over seeds, and correct for their number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np

LEVEL = 0.95
MOST_PAIRS = 20
"""Above it, the sign flips are too many to count one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Mean, sample standard deviation and 95 % interval of a few numbers."""

    n: int
    mean: float
    sd: float | None
    """None for one number."""

    low: float | None
    high: float | None


def summary(values: Sequence[float]) -> Summary:
    """Return the mean of values over seeds, with Student's interval for it.

    Raises
    ------
    ValueError
        If there is no value.

    Examples
    --------
    >>> found = summary([0.6, 0.7, 0.8])
    >>> f"{found.mean:.2f} in [{found.low:.2f}, {found.high:.2f}]"
    '0.70 in [0.45, 0.95]'
    >>> summary([0.6]).low is None
    True
    """
    if not values:
        raise ValueError("a mean needs at least one value, got none")
    mean, n = fmean(values), len(values)
    if n == 1:
        return Summary(n=1, mean=mean, sd=None, low=None, high=None)
    from scipy.stats import t

    sd = stdev(values)
    half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * sd / n**0.5
    return Summary(n=n, mean=mean, sd=sd, low=mean - half, high=mean + half)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """The difference between two models over the seeds that both have."""

    first: float
    """Mean of the first, over the shared seeds."""

    second: float
    difference: Summary
    """First minus second."""

    p: float
    """Chance of a mean difference at least as far from zero if signs were drawn at random."""


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> Paired:
    """Return how two models differ, seed by seed.

    ``p`` is exact: of all ways to flip the signs of the differences, the share whose mean is at least
    as far from zero as the one found (two-sided).

    Parameters
    ----------
    first, second
        Values by seed.

    Raises
    ------
    ValueError
        If no seed is in both, or more than 20 are.

    Examples
    --------
    >>> found = paired({1: 0.9, 2: 0.8, 3: 0.9}, {1: 0.7, 2: 0.7, 3: 0.8})
    >>> round(found.difference.mean, 3), found.p
    (0.133, 0.25)
    """
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        raise ValueError(f"two rows must share a seed to be paired, got {sorted(first)} and {sorted(second)}")
    if len(seeds) > MOST_PAIRS:
        raise ValueError(f"the exact test takes at most {MOST_PAIRS} shared seeds, got {len(seeds)}")
    differences = np.array([first[seed] - second[seed] for seed in seeds])
    return Paired(
        first=fmean(first[seed] for seed in seeds),
        second=fmean(second[seed] for seed in seeds),
        difference=summary(differences.tolist()),
        p=_sign_flip_p(differences),
    )


def holm(p: Sequence[float]) -> list[float]:
    """Return the p-values of several comparisons, corrected so that any of them errs at the level of one.

    The smallest is multiplied by their number, the next by one less and so on, none is below a smaller one's,
    nor above 1. S. Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal
    of Statistics 6, 65-70.

    Parameters
    ----------
    p
        One p-value a comparison, in any order, which is kept.

    Raises
    ------
    ValueError
        If one is not between 0 and 1.

    Examples
    --------
    >>> holm([0.01, 0.5, 0.02])
    [0.03, 0.5, 0.04]
    """
    wrong = [value for value in p if not 0 <= value <= 1]
    if wrong:
        raise ValueError(f"a p-value must be between 0 and 1, got {wrong[0]}")
    corrected = [0.0] * len(p)
    least = 0.0
    for rank, at in enumerate(sorted(range(len(p)), key=lambda at: p[at])):
        least = corrected[at] = min(1.0, max(least, (len(p) - rank) * p[at]))
    return corrected


def share_text(share: float) -> str:
    """Return a number of two digits, without the zero that any share below one begins with.

    Examples
    --------
    >>> share_text(0.904), share_text(-0.05), share_text(0.999)
    ('.90', '-.05', '1.00')
    """
    text = f"{share:.2f}".replace("-0.00", "0.00")
    return text.replace("0.", ".", 1) if abs(share) < 0.995 else text


def interval_text(ends: tuple[float, float]) -> str:
    """Return an interval in brackets.

    Examples
    --------
    >>> interval_text((-0.05, 1.0))
    '[-.05, 1.00]'
    """
    return f"[{', '.join(map(share_text, ends))}]"


def _sign_flip_p(differences: np.ndarray) -> float:
    sums = np.zeros(1)
    for difference in differences:
        sums = np.concatenate([sums + difference, sums - difference])
    # Sums that are equal on paper may differ by rounding.
    slack = 1e-12 * max(1.0, float(np.abs(differences).sum()))
    return float(np.mean(np.abs(sums) >= abs(differences.sum()) - slack))
