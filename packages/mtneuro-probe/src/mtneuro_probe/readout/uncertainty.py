"""Intervals by bootstrap and permutations of whole runs of slices, because neighbours are almost copies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, permutations, product
from math import ceil, factorial, log10, prod, sqrt

import numpy as np
from jaxtyping import Float64, Int64, Integer, Shaped
from scipy.stats import norm, t

from mtneuro_probe.sample import lone_samples, sample_positions

LEAST_RUNS = 12
"""Runs of slices below which a bootstrap gives no interval: fewer show too little of how they vary."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Runs:
    """The runs of neighbouring slices that a bootstrap draws, or why it should not."""

    run: Int64[np.ndarray, " samples"]
    """Run of each sample, counted from 0."""

    length: int
    """Slices in a run, at least where a cube is as deep."""

    reason: str = ""
    """Why there is no interval; empty where there is one."""

    @property
    def number(self) -> int:
        """Number of runs."""
        return int(self.run.max()) + 1

    @classmethod
    def of(
        cls,
        contribution: Float64[np.ndarray, " samples"],
        cube: Shaped[np.ndarray, " samples"],
        z: Integer[np.ndarray, " samples"],
        *,
        length: int | None = None,
    ) -> "Runs":
        """Return the runs for a score.

        Parameters
        ----------
        contribution
            How much each sample adds to the score, less what it adds on average.
        cube, z
            Cube and slice of each sample.
        length
            Slices in a run; by default as ``block_length`` estimates it from the contributions.
        """
        flat = bool(np.ptp(contribution) <= 1e-12 * np.abs(contribution).max())
        estimated = ceil(block_length(contribution, cube, z)) if length is None and not flat else None
        chosen = length or estimated or 1
        run = slice_runs(cube, z, length=chosen)
        number, reason = int(run.max()) + 1, ""
        if flat:
            reason = "every sample scores the same, which shows nothing of how they vary"
        elif number < LEAST_RUNS:
            reason = (
                f"{number} run(s) of at least {chosen} slices"
                + (", as far as they are alike" if length is None else "")
                + f", and {LEAST_RUNS} are needed"
            )
        return cls(run=run, length=chosen, reason=reason)


def block_length(
    contribution: Float64[np.ndarray, " samples"],
    cube: Shaped[np.ndarray, " samples"],
    z: Integer[np.ndarray, " samples"],
) -> float:
    """Return how many slices a bootstrap should draw together, estimated from the autocorrelation.

    Parameters
    ----------
    contribution
        How much each sample adds to the score whose interval is wanted. Those of one slice are summed.
    cube, z
        Cube and slice of each sample. Slices of different cubes are no neighbours.

    Returns
    -------
    length
        In slices: (2 g² / D)^⅓ n^⅓ for n slices, with D = 4/3 · S² of blocks of fixed length, S the sum of
        the autocovariances of all lags and g that of lag times autocovariance. Both are weighed by a
        flat-topped window, twice as wide as the lag after which five autocorrelations are below
        2 √(log₁₀ n / n).

    Notes
    -----
    D. N. Politis and H. White (2004), Automatic block-length selection for the dependent bootstrap,
    Econometric Reviews 23, 53-70, with the correction of A. Patton, D. N. Politis and H. White (2009), ibid.
    28, 372-375. Of several cubes, pairs of slices at one lag are counted together, and scaled to as many as
    one series of all slices would have. The window is bounded by the deepest cube, not by √n.

    Examples
    --------
    >>> cube, z = np.zeros(200), np.arange(200)
    >>> noise = np.random.default_rng(0).normal(size=200)
    >>> block_length(noise, cube, z) < block_length(noise.cumsum(), cube, z)
    True
    """
    series, step = _slice_sums(contribution, cube, z)
    there = np.isfinite(series)
    n, depth = int(there.sum()), series.shape[1]
    away = np.where(there, series - series[there].mean(), 0.0)
    # Of mostly missing slices, a lag may have no pair.
    pairs = np.array([np.count_nonzero(there[:, lag:] & there[:, : depth - lag]) for lag in range(depth)])
    products = np.array([(away[:, lag:] * away[:, : depth - lag]).sum() for lag in range(depth)])
    covariance = products / np.maximum(pairs, 1) * (1 - np.arange(depth) / n)
    if n < 2 or depth < 2 or covariance[0] <= 0:
        return float(step)
    beyond = max(5, ceil(sqrt(log10(n))))
    small = np.abs(covariance[1:]) < 2 * sqrt(log10(n) / n) * covariance[0]
    # What lies deeper than any cube counts as uncorrelated.
    small = np.append(small, np.ones(beyond, dtype=bool))
    last = next(lag for lag in range(depth) if small[lag : lag + beyond].all())
    widest = min(2 * max(last, 1), depth - 1)
    lags = np.arange(1, widest + 1)
    weighed = np.minimum(1, 2 * (1 - lags / widest)) * covariance[lags] if widest > 1 else covariance[lags]
    total, moment = covariance[0] + 2 * weighed.sum(), 2 * (lags * weighed).sum()
    if total == 0:
        return float(step)
    return float(max(1.0, (2 * moment**2 / (4 / 3 * total**2) * n) ** (1 / 3)) * step)


def _slice_sums(
    contribution: np.ndarray, cube: np.ndarray, z: np.ndarray
) -> tuple[Float64[np.ndarray, "cubes slices"], int]:
    """Return the sum over each slice of each cube, NaN where there is none, and how far slices lie apart."""
    _, home = np.unique(cube, return_inverse=True)
    z = z.astype(np.int64)
    first = np.full(home.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, home, z)
    below = z - first[home]
    by_place = np.lexsort((below, home))
    apart = np.diff(below[by_place])[(np.diff(home[by_place]) == 0)]
    step = int(apart[apart > 0].min()) if (apart > 0).any() else 1
    at = below // step
    series = np.zeros((len(first), int(at.max()) + 1))
    number = np.zeros_like(series)
    np.add.at(series, (home, at), contribution)
    np.add.at(number, (home, at), 1)
    return np.where(number > 0, series, np.nan), step


def slice_runs(
    cube: Shaped[np.ndarray, " samples"], z: Integer[np.ndarray, " samples"], *, length: int
) -> Int64[np.ndarray, " samples"]:
    """Return the run of neighbouring slices that each sample belongs to, counted from 0.

    Every cube is cut into runs of equal depth, as many as of ``length`` slices fit best, and one at least;
    the samples of one slice (corners) stay together.

    Examples
    --------
    >>> slice_runs(np.array(["A", "A", "A", "B"]), np.array([110, 114, 129, 110]), length=10)
    array([0, 0, 1, 2])
    """
    if length < 1:
        raise ValueError(f"a run must be at least 1 slice long, got {length}")
    names, home = np.unique(cube, return_inverse=True)
    z = z.astype(np.int64)
    first, last = np.full(len(names), np.iinfo(np.int64).max), np.full(len(names), np.iinfo(np.int64).min)
    np.minimum.at(first, home, z)
    np.maximum.at(last, home, z)
    depth = last - first + 1
    number = np.maximum(1, np.rint(depth / length).astype(np.int64))
    within = (z - first[home]) * number[home] // depth[home]
    return np.unique(home * (number.max() + 1) + within, return_inverse=True)[1].astype(np.int64)


def places_of(
    sample_id: Sequence[str] | np.ndarray,
) -> tuple[Shaped[np.ndarray, " samples"], Int64[np.ndarray, " samples"]]:
    """Return the cube and the slice of each sample by its id, or a cube each where no id names a slice."""
    alone = lone_samples(sample_id)
    if alone is not None:
        return alone, np.zeros(len(alone), dtype=np.int64)
    at = sample_positions(sample_id)
    return at.cube, at.z


def bootstrap_counts(
    n_runs: int, *, n_draws: int, rng: np.random.Generator
) -> Int64[np.ndarray, "draws runs"]:
    """Return how often each run is drawn, with replacement, in each of ``n_draws`` data sets of as many runs.

    B. Efron (1979), Bootstrap methods: another look at the jackknife, Annals of Statistics 7, 1-26; of
    blocks: H. R. Künsch (1989), The jackknife and the bootstrap for general stationary observations, Annals
    of Statistics 17, 1217-1241.
    """
    return rng.multinomial(n_runs, np.full(n_runs, 1 / n_runs), size=n_draws).astype(np.int64)


def shifted_orders(
    cube: Shaped[np.ndarray, " samples"],
    z: Integer[np.ndarray, " samples"],
    *,
    n_draws: int,
    rng: np.random.Generator,
    apart: int = 1,
    within_cubes: bool = True,
) -> Int64[np.ndarray, "draws samples"]:
    """Return orders of the samples that separate values from their samples, but keep neighbours together.

    Each cube is turned by itself by a random number of slices, as if its ends met, so that what a whole cube
    has in common stays. Shuffled slices would no longer be alike as neighbours are, and a feature that drifts
    along z would seem to be read out by anything else that drifts.

    Parameters
    ----------
    cube, z
        Cube and slice of each sample.
    n_draws
        Number of orders. Where there are no more other ones than that, each of them stands there once.
    rng
        Source of the draws.
    apart
        Slices between one turn and the next: a few slices on, the values are still almost their own, so
        that a cube has as many different turns as it has runs of such slices.
    within_cubes
        False to lay the cubes end to end in a random order, and turn the whole: what tells cubes apart then
        counts as something that is known.

    Notes
    -----
    G. J. G. Upton and B. Fingleton (1985), Spatial data analysis by example, vol. 1, Wiley (toroidal shifts);
    why: K. D. Harris (2021), Nonsense correlations in neuroscience, bioRxiv 2020.11.29.402719. Equally spaced
    turns are a group, which is what makes a permutation test exact: J. Hemerik and J. Goeman (2018), Exact
    testing with random permutations, TEST 27, 811-825.

    Examples
    --------
    Two cubes of two slices have three other orders:

    >>> shifted_orders(np.array(["A", "A", "B", "B"]), np.array([1, 2, 1, 2]), n_draws=9,
    ...                rng=np.random.default_rng(0)).tolist()
    [[0, 1, 3, 2], [1, 0, 2, 3], [1, 0, 3, 2]]
    """
    by_place = np.lexsort((z, cube))
    cubes = [by_place[cube[by_place] == name] for name in np.unique(cube)]

    def turns(rows: Int64[np.ndarray, " _"]) -> list[Int64[np.ndarray, " _"]]:
        new_slice = (np.diff(z[rows], prepend=-1) != 0) | (cube[rows] != np.roll(cube[rows], 1))
        starts = np.flatnonzero(new_slice)
        number = max(1, len(starts) // apart)
        return [np.roll(rows, -starts[at * len(starts) // number]) for at in range(number)]

    def placed(rows: Sequence[Int64[np.ndarray, " _"]]) -> Int64[np.ndarray, " samples"]:
        order = np.empty(len(z), dtype=np.int64)
        order[by_place] = np.concatenate(rows)
        return order

    if within_cubes:
        turned = [turns(rows) for rows in cubes]
        number = prod(map(len, turned))
        if number <= n_draws + 1:
            return _stacked(map(placed, islice(product(*turned), 1, None)), len(z))
        drawn = (placed([each[rng.integers(len(each))] for each in turned]) for _ in range(n_draws))
        return _stacked(drawn, len(z))
    if factorial(min(len(cubes), 9)) * max(1, len(z) // apart) <= n_draws + 1:
        every = np.array(
            [placed([turn]) for some in permutations(cubes) for turn in turns(np.concatenate(some))]
        )
        every = np.unique(every, axis=0)
        return every[(every != placed(cubes)).any(axis=1)]

    def anywhere() -> Int64[np.ndarray, " samples"]:
        choices = turns(np.concatenate([cubes[at] for at in rng.permutation(len(cubes))]))
        return placed([choices[rng.integers(len(choices))]])

    return _stacked((anywhere() for _ in range(n_draws)), len(z))


def shuffled_orders(
    group: Shaped[np.ndarray, " samples"], *, n_draws: int, rng: np.random.Generator
) -> Int64[np.ndarray, "draws samples"]:
    """Return orders of the samples in which whole groups, which are no neighbours, change places.

    Where there are no more other orders than ``n_draws``, each of them stands there once.

    Examples
    --------
    >>> shuffled_orders(np.array([0, 0, 1]), n_draws=9, rng=np.random.default_rng(0)).tolist()
    [[2, 0, 1]]
    """
    by_group = np.argsort(group, kind="stable")
    groups = [by_group[group[by_group] == name] for name in np.unique(group)]
    if factorial(min(len(groups), 20)) <= n_draws + 1:
        orders: Iterator[Sequence[int]] = islice(permutations(range(len(groups))), 1, None)
    else:
        orders = (rng.permutation(len(groups)).tolist() for _ in range(n_draws))

    def placed(order: Sequence[int]) -> Int64[np.ndarray, " samples"]:
        placed = np.empty(len(group), dtype=np.int64)
        placed[by_group] = np.concatenate([groups[at] for at in order])
        return placed

    return _stacked(map(placed, orders), len(group))


def _stacked(orders: Iterator[np.ndarray], n_samples: int) -> Int64[np.ndarray, "draws samples"]:
    every = list(orders)
    return np.stack(every) if every else np.empty((0, n_samples), dtype=np.int64)


def interval(
    draws: Float64[np.ndarray, " draws"], *, n_runs: int | None = None, level: float = 0.95
) -> tuple[float, float]:
    """Return the percentile interval of bootstrap draws, NaN without any.

    Parameters
    ----------
    draws
        The score in each draw.
    n_runs
        Number of runs that were drawn from. Draws of few vary too little: further percentiles are taken
        then, by as much as Student's interval of so many is wider than the normal one. T. C. Hesterberg
        (2015), What teachers should know about the bootstrap, The American Statistician 69, 371-386.
    level
        Share of such intervals that shall hold the true score.
    """
    kept = draws[np.isfinite(draws)]
    if not len(kept):
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    if n_runs is not None:
        tail = float(norm.cdf(sqrt(n_runs / (n_runs - 1)) * t.ppf(tail, n_runs - 1)))
    low, high = np.quantile(kept, [tail, 1 - tail])
    return float(low), float(high)
