"""How much of a feature a linear model finds in embeddings."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float64, Int, Shaped
from scipy import linalg
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.model_selection import BaseCrossValidator, check_cv
from sklearn.utils.validation import check_is_fitted, validate_data

from mtneuro_probe.blocks import block_splits
from mtneuro_probe.embeddings import check_embeddings
from mtneuro_probe.sample import sample_positions

ALPHAS = tuple(float(alpha) for alpha in np.logspace(-2, 6, 17))
"""Ridge strengths tried, for standardised embeddings."""

SAMPLES_PER_FEATURE = 5
"""With fewer samples an embedding dimension, same-sample R² is near 1 for noise and is not given."""

Splits = Iterable[tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]]

_log = logging.getLogger(__name__)


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
        scale = x.std(axis=0)
        # A constant dimension says nothing: it stays zero, and its rounding errors are not blown up.
        self.scale = np.where(scale > 1e-12 * np.abs(self.mean), scale, np.inf)
        left, self.singular, self.right = linalg.svd(
            (x - self.mean) / self.scale, full_matrices=False, check_finite=False
        )
        self.projected = left.T @ (targets - self.target_mean)

    def coef(self, alpha: float) -> Float64[np.ndarray, "t d"]:
        """Return the coefficients for unstandardised embeddings."""
        largest = self.singular[0]
        tiny = largest * max(self.right.shape) * np.finfo(np.float64).eps
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


def feature_readout(
    embeddings: Float[np.ndarray, "samples features"],
    features: pd.DataFrame,
    *,
    groups: Shaped[np.ndarray, " samples"] | None = None,
    n_splits: int = 5,
    gap: int = 10,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return how well each feature is read out of embeddings by a linear model.

    Two scores. ``r2_same_sample`` is the paper's: ordinary least squares, fitted and scored on the same
    samples; it rises with the number of embedding dimensions whatever they hold. ``r2_cross_validated`` is
    the score on slices that were not fitted: ridge regression, its strength chosen inside, over
    contiguous blocks of slices with a gap (``block_splits``); all held-out predictions are
    scored together, so 0 is no better than the mean and below 0 is worse.

    Parameters
    ----------
    embeddings
        One vector a sample.
    features
        A row a sample in the same order, a column a feature, indexed by sample id. See ``matched``.
    groups
        For ids that name no slice: the block of each sample. Whole groups are then held out in turn,
        ``n_splits`` at most, and ``gap`` is not used.
    n_splits
        Number of contiguous blocks that each cube is cut into.
    gap
        Slices between training and test samples of one cube.
    progress
        Called with the number of features done and of all features.

    Returns
    -------
    table
        A row a feature: ``n_samples`` used, ``n_missing`` left out because the feature is missing there,
        ``n_features`` of the embedding, ``r2_same_sample``, ``r2_cross_validated``, and ``reason``, which
        says why a score is NaN and is empty otherwise.

    Raises
    ------
    ValueError
        If the embeddings are not finite, rows do not fit each other, an id cannot be read, or the
        slices are too few for the splits.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 3))
    >>> ids = [f"A/z{z}" for z in range(60)]
    >>> table = pd.DataFrame({"cell_count": x[:, 0] + 2, "cell_size": 4.0}, index=ids)
    >>> feature_readout(x, table, gap=2)[["n_samples", "r2_cross_validated", "reason"]].round(3)
                n_samples  r2_cross_validated                           reason
    feature
    cell_count         60                 1.0
    cell_size          60                 NaN  the feature is constant
    """
    check_embeddings(embeddings)
    if len(features) != len(embeddings):
        raise ValueError(
            f"embeddings and features must have a row a sample, got {len(embeddings)} and {len(features)}"
        )
    if not features.shape[1]:
        raise ValueError("features must have at least one column, got none")
    values = _feature_values(features)
    cube, z = _places(features, groups)
    if groups is not None:
        gap = 0
    block_splits(cube, z, n_splits=n_splits, gap=gap)
    x = embeddings.astype(np.float64)
    rows: list[dict[str, object]] = []
    for done, (name, column) in enumerate(zip(features.columns, values.T, strict=True), start=1):
        there = np.isfinite(column)
        scores = _scores(x[there], column[there], cube[there], z[there], n_splits=n_splits, gap=gap)
        rows.append(
            {
                "feature": name,
                "n_samples": int(there.sum()),
                "n_missing": int((~there).sum()),
                "n_features": x.shape[1],
                **scores,
            }
        )
        if progress is not None:
            progress(done, len(features.columns))
    return pd.DataFrame(rows).set_index("feature")


def _feature_values(features: pd.DataFrame) -> Float64[np.ndarray, "samples columns"]:
    for name, kind in features.dtypes.items():
        if not pd.api.types.is_numeric_dtype(kind):
            raise ValueError(f"each feature must be a column of numbers, got {kind} in {name!r}")
    values = features.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        names = [str(features.columns[i]) for i in np.flatnonzero(np.isinf(values).any(axis=0))]
        raise ValueError(f"features must be finite or missing (NaN), got infinity in {', '.join(names)}")
    return values


def _places(features: pd.DataFrame, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the cube and slice of each sample; groups stand in as the slices of one cube."""
    if groups is None:
        positions = sample_positions([str(name) for name in features.index])
        return positions.cube, positions.z
    if groups.shape != (len(features),):
        raise ValueError(f"groups must have one entry a sample ({len(features)}), got shape {groups.shape}")
    return np.zeros(len(groups), dtype="U1"), np.unique(groups, return_inverse=True)[1]


def _scores(
    x: Float64[np.ndarray, "n d"],
    y: Float64[np.ndarray, " n"],
    cube: np.ndarray,
    z: np.ndarray,
    *,
    n_splits: int,
    gap: int,
) -> dict[str, object]:
    nothing = {"r2_same_sample": np.nan, "r2_cross_validated": np.nan}
    if not len(y):
        return {**nothing, "reason": "the feature is missing in every sample"}
    if np.ptp(y) <= 1e-12 * np.abs(y).max():
        return {**nothing, "reason": "the feature is constant"}
    reasons: list[str] = []
    same = cross = np.nan
    if len(y) < SAMPLES_PER_FEATURE * x.shape[1]:
        reasons.append(f"same-sample: fewer than {SAMPLES_PER_FEATURE} samples a feature")
    else:
        same = LinearReadout(alphas=(0.0,)).fit(x, y).score(x, y)
    try:
        predicted = cross_validated_predictions(x, y[:, None], cube=cube, z=z, n_splits=n_splits, gap=gap)[
            :, 0
        ]
        cross = _r2(y, predicted, np.isfinite(predicted))
    except ValueError as error:
        _log.info("no cross-validated score: %s", error)
        reasons.append("cross-validated: too few slices where the feature is there")
    return {"r2_same_sample": same, "r2_cross_validated": cross, "reason": "; ".join(reasons)}


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


def _r2(
    y: Float64[np.ndarray, " n"], predicted: Float64[np.ndarray, " n"], kept: Bool[np.ndarray, " n"]
) -> float:
    away = y[kept] - y[kept].mean()
    return float(1 - ((y - predicted)[kept] ** 2).sum() / (away**2).sum())
