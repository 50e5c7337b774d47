"""Bootstrap draws and permutations of whole runs of slices, because neighbouring slices are almost copies."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int, Int64, Shaped

from mtneuro_probe.sample import lone_samples, sample_positions


def slice_runs(
    cube: Shaped[np.ndarray, " samples"], z: Int[np.ndarray, " samples"], *, length: int
) -> Int64[np.ndarray, " samples"]:
    """Return the run of neighbouring slices that each sample belongs to, counted from 0.

    Every cube is cut into runs of ``length`` slices' depth, from its first; the samples of one slice
    (corners) stay together.

    Examples
    --------
    >>> slice_runs(np.array(["A", "A", "A", "B"]), np.array([110, 114, 121, 110]), length=10)
    array([0, 0, 1, 2])
    """
    if length < 1:
        raise ValueError(f"a run must be at least 1 slice long, got {length}")
    names, home = np.unique(cube, return_inverse=True)
    first = np.full(len(names), np.iinfo(np.int64).max)
    np.minimum.at(first, home, z)
    within = (z - first[home]) // length
    return np.unique(home * (within.max() + 1) + within, return_inverse=True)[1].astype(np.int64)


def runs_of(sample_id: Sequence[str] | np.ndarray, *, length: int) -> Int64[np.ndarray, " samples"]:
    """Return the run that each sample belongs to by its id, or each by itself where no id names a slice."""
    alone = lone_samples(sample_id)
    if alone is not None:
        return alone
    at = sample_positions(sample_id)
    return slice_runs(at.cube, at.z, length=length)


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
    z: Int[np.ndarray, " samples"],
    *,
    n_draws: int,
    rng: np.random.Generator,
    least: int = 1,
    within_cubes: bool = False,
) -> Int64[np.ndarray, "draws samples"]:
    """Return orders of the samples that separate values from their samples, but keep neighbours together.

    The cubes are laid end to end in a random order, and the whole turned by a random number of slices as if
    its ends met. Shuffled slices would no longer be alike as neighbours are, and a feature that drifts
    along z would seem to be read out by anything else that drifts.

    Parameters
    ----------
    cube, z
        Cube and slice of each sample.
    n_draws
        Number of orders.
    rng
        Source of the draws.
    least
        Number of slices to turn by at least, either way, where there are enough: a few slices on, the values
        are still almost their own.
    within_cubes
        Turn each cube by itself, so that what a whole cube has in common stays.

    Notes
    -----
    G. J. G. Upton and B. Fingleton (1985), Spatial data analysis by example, vol. 1, Wiley (toroidal shifts);
    why: K. D. Harris (2021), Nonsense correlations in neuroscience, bioRxiv 2020.11.29.402719.
    """
    by_place = np.lexsort((z, cube))
    cubes = [by_place[cube[by_place] == name] for name in np.unique(cube)]

    def turned(rows: Int64[np.ndarray, " rows"]) -> Int64[np.ndarray, " rows"]:
        new_slice = (np.diff(z[rows], prepend=-1) != 0) | (cube[rows] != np.roll(cube[rows], 1))
        starts = np.flatnonzero(new_slice)
        far = starts[least : len(starts) - least + 1]
        return np.roll(rows, -rng.choice(far if len(far) else starts))

    orders = np.empty((n_draws, len(z)), dtype=np.int64)
    for order in orders:
        if within_cubes:
            order[by_place] = np.concatenate([turned(rows) for rows in cubes])
        else:
            order[by_place] = turned(np.concatenate([cubes[at] for at in rng.permutation(len(cubes))]))
    return orders


def interval(draws: Float64[np.ndarray, " draws"], *, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of bootstrap draws, NaN without any."""
    kept = draws[np.isfinite(draws)]
    if not len(kept):
        return float("nan"), float("nan")
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
