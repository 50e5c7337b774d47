"""R² of held-out predictions, its confidence interval and its null distribution."""

import numpy as np
from jaxtyping import Float64, Integer

from mtneuro_probe.readout.targets import constant_target
from mtneuro_probe.readout.uncertainty import Runs, bootstrap_counts, interval


def r2(y: Float64[np.ndarray, "n t"], predicted: Float64[np.ndarray, "n t"]) -> float:
    """Return the coefficient of determination of predictions, over all columns together.

    1 - Σ (y - ŷ)² / Σ (y - ȳ)², each column with its own mean; NaN where all y are the same.

    Examples
    --------
    >>> r2(np.array([[1.0], [2], [3]]), np.array([[1.0], [2], [4]]))
    0.5
    """
    if constant_target(y):
        return float("nan")
    return float(1 - ((y - predicted) ** 2).sum() / ((y - y.mean(axis=0)) ** 2).sum())


def r2_contributions(
    y: Float64[np.ndarray, "n t"], predicted: Float64[np.ndarray, "n t"]
) -> Float64[np.ndarray, " n"]:
    """Return how much each sample lowers R²: its squared error, less what its share of the spread allows.

    The influence function of the ratio, times the spread; its sum is 0.

    Examples
    --------
    >>> r2_contributions(np.array([[1.0], [2], [3]]), np.array([[1.0], [2], [4]]))
    array([-0.5,  0. ,  0.5])
    """
    spread = ((y - y.mean(axis=0)) ** 2).sum(axis=1)
    error = ((y - predicted) ** 2).sum(axis=1)
    return error - error.sum() / spread.sum() * spread


def within_groups(
    values: Float64[np.ndarray, "n t"], group: Integer[np.ndarray, " n"]
) -> Float64[np.ndarray, "n t"]:
    """Return values less the mean of their group.

    Of a feature and of its predictions, R² is then the within-R² of panel data: how well the samples of one
    group are told apart, whatever level the readout gives the group. J. M. Wooldridge (2010), Econometric
    Analysis of Cross Section and Panel Data, 2nd ed., MIT Press, section 10.5.

    Examples
    --------
    >>> within_groups(np.array([[1.0], [3], [7]]), np.array([0, 0, 1])).ravel().tolist()
    [-1.0, 1.0, 0.0]
    """
    home = np.unique(group, return_inverse=True)[1]
    total = np.zeros((int(home.max()) + 1, values.shape[1]))
    np.add.at(total, home, values)
    away = values - (total / np.bincount(home)[:, None])[home]
    # Rounding must not look like a difference.
    return np.where(np.abs(away) <= 1e-12 * np.abs(values).max(axis=0), 0.0, away)


def r2_interval(
    y: Float64[np.ndarray, "n t"],
    predicted: Float64[np.ndarray, "n t"],
    runs: Runs,
    *,
    n_draws: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Return the 95 % interval of R² over bootstrap draws of whole runs of samples.

    The predictions stay as they are: the interval is that of scoring this readout on other slices of the
    same tissue, not of fitting another. NaN where the runs say why there should be none.
    """
    if runs.reason:
        return float("nan"), float("nan")
    n_runs, run = runs.number, runs.run

    def summed(values: Float64[np.ndarray, "n t"]) -> Float64[np.ndarray, "runs t"]:
        total = np.zeros((n_runs, values.shape[1]))
        np.add.at(total, run, values)
        return total

    counts = bootstrap_counts(n_runs, n_draws=n_draws, rng=rng)
    centred = y - y.mean(axis=0)
    error = (counts @ summed((y - predicted) ** 2)).sum(axis=1)
    number = counts @ np.bincount(run, minlength=n_runs)
    spread = (
        counts @ summed(centred**2) - (counts @ summed(centred)) ** 2 / np.maximum(number, 1)[:, None]
    ).sum(axis=1)
    draws = np.divide(error, spread, out=np.full(n_draws, np.nan), where=spread > 1e-12 * (centred**2).sum())
    return interval(1 - draws, n_runs=n_runs)


def null_of(score: float, permuted: Float64[np.ndarray, " draws"]) -> tuple[float, float]:
    """Return the score that 1 in 20 permutations exceeds, and the p-value of a score.

    The p-value is the fraction of permutations, the true order among them, that score at least as high, so
    that it is never below 1 in as many. Below 19 no score could be exceeded by 1 in 20: the first is NaN.
    B. Phipson and G. K. Smyth (2010), Permutation p-values should never be zero, Statistical Applications in
    Genetics and Molecular Biology 9, 39.

    Examples
    --------
    >>> null_of(0.5, np.array([0.0, 0.1, 0.6]))[1]
    0.5
    """
    p_value = (1 + (permuted >= score).sum()) / (1 + len(permuted))
    level = np.quantile(permuted, 0.95) if len(permuted) >= 19 else np.nan
    return float(level), float(p_value)
