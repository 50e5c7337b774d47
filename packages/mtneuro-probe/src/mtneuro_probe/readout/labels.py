"""Score what a readout reads when only a part of the training samples has labels."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float64, Int64, Integer, Shaped

from mtneuro_probe.readout.blocks import block_splits
from mtneuro_probe.readout.linear import ALPHAS, LinearReadout, Splits
from mtneuro_probe.readout.scores import r2
from mtneuro_probe.readout.targets import checked_rows, constant_target, feature_targets
from mtneuro_probe.sample import sample_positions


def labelled_block(
    cube: Shaped[np.ndarray, " samples"], z: Integer[np.ndarray, " samples"], fraction: float
) -> Bool[np.ndarray, " samples"]:
    """Return which samples have labels if a fraction of each cube's slices is labelled: its first ones.

    The labelled slices of a cube are neighbours, so that most others are far from all of them; random ones
    would be almost copies of the rest. A smaller fraction's are among a larger one's, and a cube has one at
    least.

    Parameters
    ----------
    cube
        Name of the cube that each sample lies in.
    z
        First slice of each sample.
    fraction
        Part of each cube's slices, above 0 and at most 1; rounded to whole slices, halves up.

    Raises
    ------
    ValueError
        If the fraction is not in that range.

    Examples
    --------
    >>> labelled_block(np.array(["A", "A", "A", "B"]), np.array([3, 1, 2, 9]), 0.5)
    array([False,  True,  True,  True])
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"the fraction of the labels must be above 0 and at most 1, got {fraction:g}")
    kept = np.zeros(len(z), dtype=bool)
    for name in np.unique(cube):
        inside = cube == name
        slices = np.unique(z[inside])
        last = slices[max(1, int(fraction * len(slices) + 0.5)) - 1]
        kept |= inside & (z <= last)
    return kept


def label_curve(
    embeddings: Float[np.ndarray, "samples features"],
    features: pd.DataFrame,
    fractions: Iterable[float],
    *,
    n_splits: int = 5,
    gap: int = 10,
) -> pd.DataFrame:
    """Return how well each feature is read out of embeddings by how many of the samples have labels.

    Every score is over the same held-out samples, those of ``feature_readout``. Of each split's training
    samples, those that have the feature, the readout sees a block of neighbouring slices at the start of each
    cube. The ridge's strength is chosen among these alone: over blocks with the gap where they are enough,
    else without the gap, else with whole cubes left out. A single labelled slice predicts its own value.

    Parameters
    ----------
    embeddings
        One vector a sample.
    features
        A row a sample in the same order, a column a feature, indexed by sample ids that name cube and slice.
    fractions
        Parts of the labels, above 0 and at most 1. 1 gives the score of ``feature_readout``.
    n_splits, gap
        As in ``feature_readout``.

    Returns
    -------
    table
        A row a feature and fraction: ``feature``, ``fraction``, ``n_labelled`` that a split's readout learns
        from (the smallest over splits), ``n_samples`` scored, ``r2``, and ``reason``, which says why it is
        NaN.

    Raises
    ------
    ValueError
        If a fraction is not in its range, the embeddings are not finite, rows do not fit each other, an id
        names no slice, or the slices are too few for the splits.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> table = pd.DataFrame({"cell_count": x[:, 0] + 2}, index=[f"A/z{z}" for z in range(60)])
    >>> label_curve(x, table, [0.1, 1], gap=2)[["fraction", "n_labelled", "r2"]].round(2)
       fraction  n_labelled    r2
    0       0.1           5  0.21
    1       1.0          46  1.00
    """
    x = checked_rows(embeddings, features)
    places = sample_positions([str(name) for name in features.index])
    block_splits(places.cube, places.z, n_splits=n_splits, gap=gap)
    chosen = [float(fraction) for fraction in fractions]
    rows: list[dict[str, object]] = []
    for name, target in feature_targets(features).items():
        there = np.asarray(np.isfinite(target).all(axis=1))
        for fraction in chosen:
            row: dict[str, object] = {"feature": name, "fraction": fraction, "n_labelled": 0, "n_samples": 0}
            row |= _scored(
                x[there], target[there], places.cube[there], places.z[there], fraction, n_splits, gap
            )
            rows.append(row)
    return pd.DataFrame(rows)


def _scored(
    x: Float64[np.ndarray, "n d"],
    y: Float64[np.ndarray, "n t"],
    cube: Shaped[np.ndarray, " n"],
    z: Int64[np.ndarray, " n"],
    fraction: float,
    n_splits: int,
    gap: int,
) -> dict[str, object]:
    """Return the number of samples that are learnt from and scored, and R2 or the reason for none."""
    if not len(y):
        return {"r2": np.nan, "reason": "the feature is missing in every sample"}
    if constant_target(y):
        return {"r2": np.nan, "reason": "the feature is constant"}
    try:
        splits = block_splits(cube, z, n_splits=n_splits, gap=gap)
    except ValueError:
        return {"r2": np.nan, "reason": "too few neighbouring slices have the feature"}
    predicted = np.full(y.shape, np.nan)
    learnt: list[int] = []
    for train, test in splits:
        kept = train[labelled_block(cube[train], z[train], fraction)]
        learnt.append(len(kept))
        inner = _inner_splits(cube[kept], z[kept], n_splits=n_splits, gap=gap)
        if inner:
            readout = LinearReadout(alphas=ALPHAS, cv=inner).fit(x[kept], y[kept])
            predicted[test] = readout.predict(x[test])
        else:
            predicted[test] = y[kept].mean(axis=0)
    tested = np.isfinite(predicted[:, 0])
    score = r2(y[tested], predicted[tested])
    reason = "the feature is constant in the samples that are tested" if np.isnan(score) else ""
    return {"n_labelled": min(learnt), "n_samples": int(tested.sum()), "r2": score, "reason": reason}


def _inner_splits(
    cube: Shaped[np.ndarray, " n"], z: Int64[np.ndarray, " n"], *, n_splits: int, gap: int
) -> Splits | None:
    """Return the splits that the ridge's strength is chosen over, or None for a single slice."""
    for apart in (gap, 0):
        try:
            return block_splits(cube, z, n_splits=n_splits, gap=apart)
        except ValueError:
            continue
    names = np.unique(cube)
    if len(names) == 1:
        return None
    return [(np.flatnonzero(cube != name), np.flatnonzero(cube == name)) for name in names]
