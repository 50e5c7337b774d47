"""The ridge regression of the readout, and its cross-validated predictions."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, cast

import numpy as np
from jaxtyping import Float64, Int, Shaped
from scipy import linalg
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.model_selection import BaseCrossValidator, check_cv
from sklearn.utils.validation import check_is_fitted, validate_data

from mtneuro_probe.readout.blocks import block_splits
from mtneuro_probe.scaling import PRECISION, spread

ALPHAS = tuple(float(alpha) for alpha in np.logspace(-2, 6, 17))
"""Ridge strengths tried, for standardised embeddings."""

Splits = Iterable[tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]]


class LinearReadout(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Linear regression on standardised embeddings, with a ridge whose strength is chosen inside.

    One decomposition a split serves every strength and every target, so that many features,
    or many permutations of one, cost little more than one. Each target gets its own strength.

    Parameters
    ----------
    alphas
        Ridge strengths to choose from. A single one is taken as it is; ``(0.0,)`` is ordinary least squares
        (of least norm where the solution is not unique).
    cv
        How the samples are split to choose: an iterable of ``(train, test)`` rows, a splitter of
        scikit-learn, or a number of contiguous folds. For neighbouring slices pass ``block_splits``.

    Attributes
    ----------
    alpha_ : float or array of shape (targets,)
        The strength chosen.
    coef_ : array of shape (features,) or (targets, features)
        Coefficients for embeddings as given, not standardised.
    intercept_ : float or array of shape (targets,)
        Prediction at an embedding of zeros.
    n_features_in_ : int
        Embedding dimensions seen in ``fit``.

    Examples
    --------
    >>> x = np.arange(12.0).reshape(6, 2) ** 2
    >>> readout = LinearReadout(alphas=(0.0,)).fit(x, 3 * x[:, 0] - x[:, 1] + 5)
    >>> readout.coef_.round(6), round(float(readout.intercept_), 6)
    (array([ 3., -1.]), 5.0)
    """

    def __init__(self, alphas: Any = ALPHAS, cv: Any = 5) -> None:
        self.alphas = alphas
        self.cv = cv

    def fit(self, X: Any, y: Any) -> "LinearReadout":  # noqa: N803 (scikit-learn's name)
        """Fit to ``X`` of shape (samples, features) and ``y`` of shape (samples,) or (samples, targets)."""
        x, y = cast(
            tuple[np.ndarray, np.ndarray],
            validate_data(
                self, X, y, multi_output=True, y_numeric=True, dtype=np.float64, ensure_min_samples=2
            ),
        )
        strengths = np.asarray(self.alphas, dtype=np.float64)
        if (
            strengths.ndim != 1
            or not len(strengths)
            or not np.isfinite(strengths).all()
            or (strengths < 0).any()
        ):
            raise ValueError(f"alphas must be one or more finite numbers, 0 or above, got {self.alphas}")
        targets = np.asarray(y, dtype=np.float64).reshape(len(x), -1)
        chosen = np.zeros(targets.shape[1], dtype=np.intp)
        if len(strengths) > 1:
            splits = cast(BaseCrossValidator, check_cv(self.cv)).split(x, y)
            chosen = _held_out_error(x, targets, strengths, splits).argmin(axis=0)
        path = _RidgePath(x, targets)
        coef = np.empty((targets.shape[1], x.shape[1]))
        for index in np.unique(chosen):
            coef[chosen == index] = path.coef(float(strengths[index]))[chosen == index]
        intercept = path.target_mean - coef @ path.mean
        one = y.ndim == 1
        self.alpha_ = strengths[chosen][0] if one else strengths[chosen]
        self.coef_ = coef[0] if one else coef
        self.intercept_ = intercept[0] if one else intercept
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803 (scikit-learn's name)
        """Return the prediction for each row of ``X``, in the shape of the ``y`` that was fitted."""
        check_is_fitted(self)
        x = cast(np.ndarray, validate_data(self, X, reset=False, dtype=np.float64))
        return x @ self.coef_.T + self.intercept_


class _RidgePath:
    """The ridge solutions of one set of samples, at any strength."""

    def __init__(self, x: Float64[np.ndarray, "n d"], targets: Float64[np.ndarray, "n t"]) -> None:
        self.mean, self.target_mean = x.mean(axis=0), targets.mean(axis=0)
        self.scale = spread(x)
        left, self.singular, self.right = linalg.svd(
            (x - self.mean) / self.scale, full_matrices=False, check_finite=False
        )
        self.projected = left.T @ (targets - self.target_mean)
        # Rounding errors of float32 in each dimension, standardised, have singular values of this size.
        rounding = np.sqrt(((np.abs(x).max(axis=0) / self.scale) ** 2).mean())
        self.noise = PRECISION * rounding * (np.sqrt(len(x)) + np.sqrt(x.shape[1]))

    def coef(self, alpha: float) -> Float64[np.ndarray, "t d"]:
        """Return the coefficients for unstandardised embeddings."""
        exact = self.singular[0] * max(self.right.shape) * np.finfo(np.float64).eps
        tiny = max(exact, self.noise)
        shrunk = np.zeros_like(self.singular)
        np.divide(self.singular, self.singular**2 + alpha, out=shrunk, where=self.singular > tiny)
        return ((self.right.T @ (shrunk[:, None] * self.projected)) / self.scale[:, None]).T


def _held_out_error(
    x: Float64[np.ndarray, "n d"],
    targets: Float64[np.ndarray, "n t"],
    strengths: Float64[np.ndarray, " a"],
    splits: Splits,
) -> Float64[np.ndarray, "a t"]:
    """Return the summed squared error on held-out rows, for each strength and target."""
    error = np.zeros((len(strengths), targets.shape[1]))
    for train, test in splits:
        path = _RidgePath(x[train], targets[train])
        away = x[test] - path.mean
        for row, alpha in enumerate(strengths):
            missed = targets[test] - path.target_mean - away @ path.coef(float(alpha)).T
            error[row] += (missed**2).sum(axis=0)
    return error


def cross_validated_predictions(
    x: Float64[np.ndarray, "n d"],
    targets: Float64[np.ndarray, "n t"],
    *,
    cube: Shaped[np.ndarray, " n"],
    z: Int[np.ndarray, " n"],
    n_splits: int = 5,
    gap: int = 10,
    alphas: Sequence[float] = ALPHAS,
) -> Float64[np.ndarray, "n t"]:
    """Return the prediction for each sample by a ridge readout that was not fitted near it.

    The strength is chosen inside each training set by the same kind of blocks. A sample that no split tests
    has NaN.

    Raises
    ------
    ValueError
        If the slices are too few for the splits, outside or inside.
    """
    predicted = np.full(targets.shape, np.nan)
    for train, test in block_splits(cube, z, n_splits=n_splits, gap=gap):
        inner = block_splits(cube[train], z[train], n_splits=n_splits, gap=gap)
        readout = LinearReadout(alphas=alphas, cv=inner).fit(x[train], targets[train])
        predicted[test] = readout.predict(x[test])
    return predicted


@cache
def least_slices(n_splits: int, gap: int) -> int:
    """Return how many neighbouring slices of one cube ``cross_validated_predictions`` needs.

    Examples
    --------
    >>> least_slices(2, 0)
    4
    """

    def enough(n_slices: int) -> bool:
        cube, z = np.zeros(n_slices, dtype="U1"), np.arange(n_slices)
        try:
            for train, _ in block_splits(cube, z, n_splits=n_splits, gap=gap):
                block_splits(cube[train], z[train], n_splits=n_splits, gap=gap)
        except ValueError:
            return False
        return True

    return bisect_left(range(4 * n_splits * (gap + 1)), True, key=enough)
