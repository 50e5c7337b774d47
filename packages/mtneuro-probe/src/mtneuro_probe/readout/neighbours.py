"""Score how well each feature is told by the nearest neighbours among embeddings."""

import logging

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64
from sklearn.neighbors import KNeighborsRegressor

from mtneuro_probe.readout.blocks import block_splits
from mtneuro_probe.readout.scores import r2
from mtneuro_probe.readout.targets import checked_rows, constant_target, feature_targets
from mtneuro_probe.sample import sample_positions
from mtneuro_probe.scaling import fitted_scaler

_log = logging.getLogger(__name__)


def neighbour_readout(
    embeddings: Float[np.ndarray, "samples features"],
    features: pd.DataFrame,
    *,
    n_neighbors: int = 5,
    n_splits: int = 5,
    gap: int = 10,
) -> pd.DataFrame:
    """Return how well each feature is told by the mean of its nearest neighbours' among other slices.

    Neighbours are those by cosine of embeddings that are standardised by the mean and standard deviation of
    the training samples. Blocks of slices are held out as in `feature_readout`, so that a sample's own
    neighbouring slices are not among them; all predictions are scored together.

    Parameters
    ----------
    embeddings
        One vector a sample.
    features
        A row a sample in the same order, a column a feature, indexed by the ids of slices. See ``matched``.
    n_neighbors
        Number of neighbours, at most as many as there are training samples.
    n_splits, gap
        As for `block_splits`.

    Returns
    -------
    table
        A row a feature: ``n_samples`` used, ``r2_cross_validated``, and ``reason``, which says why the score
        is NaN and is empty otherwise.

    Raises
    ------
    ValueError
        If the embeddings are not finite, rows do not fit each other, an id names no slice, there is no
        neighbour to ask, or the slices are too few for the splits.

    Examples
    --------
    >>> angle = np.linspace(0, 8 * np.pi, 60)  # the same again every 15 slices
    >>> x = np.column_stack([np.cos(angle), np.sin(angle)])
    >>> table = pd.DataFrame({"cell_count": x[:, 0] > 0}, index=[f"A/z{z}" for z in range(60)])
    >>> round(float(neighbour_readout(x, table.astype(float), gap=2)["r2_cross_validated"].iloc[0]), 2) > 0.5
    True
    """
    vectors = checked_rows(embeddings, features)
    if n_neighbors < 1:
        raise ValueError(f"n_neighbors must be at least 1, got {n_neighbors}")
    positions = sample_positions([str(name) for name in features.index])
    # Raises where the slices are too few.
    block_splits(positions.cube, positions.z, n_splits=n_splits, gap=gap)
    rows: list[dict[str, object]] = []
    for name, target in feature_targets(features).items():
        there = np.isfinite(target).all(axis=1)
        row: dict[str, object] = {
            "feature": name,
            "n_samples": int(there.sum()),
            "r2_cross_validated": np.nan,
            "reason": "",
        }
        rows.append(row)
        if constant_target(target[there]):
            row["reason"] = "the feature is constant" if there.any() else "the feature is missing everywhere"
            continue
        try:
            splits = block_splits(positions.cube[there], positions.z[there], n_splits=n_splits, gap=gap)
        except ValueError as error:
            _log.info("no score of %s: %s", name, error)
            row["reason"] = "too few neighbouring slices where the feature is there"
            continue
        x, y = vectors[there], target[there]
        predicted = np.full(y.shape, np.nan)
        for train, test in splits:
            predicted[test] = _told(x[train], y[train], x[test], n_neighbors)
        tested = np.isfinite(predicted[:, 0])
        row["r2_cross_validated"] = r2(y[tested], predicted[tested])
        if constant_target(y[tested]):
            row["reason"] = "the feature is constant in the samples that are tested"
    return pd.DataFrame(rows).set_index("feature")


def _told(
    train: Float64[np.ndarray, "train d"],
    target: Float64[np.ndarray, "train t"],
    test: Float64[np.ndarray, "test d"],
    n_neighbors: int,
) -> Float64[np.ndarray, "test t"]:
    scaler = fitted_scaler(train)
    model = KNeighborsRegressor(min(n_neighbors, len(train)), metric="cosine")
    model.fit(scaler.transform(train), target)
    return np.asarray(model.predict(scaler.transform(test)), np.float64).reshape(len(test), -1)
