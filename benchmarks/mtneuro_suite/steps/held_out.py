"""Read features off columns of tissue with a readout that was fitted to others."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float64, Shaped

from mtneuro_suite.runs.row import Row
from mtneuro_suite.steps.over_cubes import places, ratio_ends

if TYPE_CHECKING:
    from mtneuro_probe import Embeddings
    from pandas import DataFrame

HELD_OUT = "r2_held_out"
"""Metric of the score on columns that neither the readout nor an encoder of the same tissue has seen."""


def held_out_rows(
    learnt: tuple["Embeddings", "DataFrame"],
    tested: tuple["Embeddings", "DataFrame"],
    *,
    test_set: str,
    key: Mapping[str, Any],
) -> list[Row]:
    """Return how well each feature is read off whole columns that the readout was not fitted to.

    Ridge regression, whose strength is chosen by leaving each of its own columns out in turn. R2 is 1 less
    the sum of squared errors over that about the mean of the tested samples; its interval is Student's over
    the tested columns, as of a ratio of sums.

    Parameters
    ----------
    learnt, tested
        Embeddings, and the features of the same samples in the same order.
    test_set, key
        The part of the rows' key that they share.
    """
    from mtneuro_probe import LinearReadout

    (x, known), (other, truth) = learnt, tested
    home, column = (places(one.sample_id) for one in (x, other))
    rows: list[Row] = []
    for feature in truth.columns:
        y, z = (table[feature].to_numpy(dtype=np.float64) for table in (known, truth))
        fitted, scored = np.isfinite(y), np.isfinite(z)
        reason = _reason(y[fitted], home[fitted], z[scored])
        row: dict[str, Any] = {"test_set": test_set, "metric": HELD_OUT, "class_name": str(feature)}
        if reason:
            rows.append(Row(**key, **row, value=None, n=int(scored.sum()), note=reason))
            continue
        splits = list(_columns(home[fitted]))
        readout = LinearReadout(cv=splits).fit(x.embeddings[fitted], y[fitted])
        z = z[scored]
        wrong = (z - readout.predict(other.embeddings[scored])) ** 2
        away = (z - z.mean()) ** 2
        parts, wholes = _by_column(column[scored], away - wrong, away)
        low, high = ratio_ends(parts, wholes) or (None, None)
        value = float(parts.sum() / wholes.sum())
        rows.append(Row(**key, **row, value=value, n=len(z), low=low, high=high))
    return rows


def _reason(y: np.ndarray, home: Sequence[str] | np.ndarray, z: np.ndarray) -> str:
    """Return why a feature is not read out; empty where it is."""
    if not len(y) or not len(z):
        return "no sample has the feature"
    if len(np.unique(home)) < 2:
        return "fewer than 2 columns to fit a readout to have the feature"
    return "the feature is constant" if np.ptp(y) == 0 or np.ptp(z) == 0 else ""


def _columns(home: Shaped[np.ndarray, " n"]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the rows of all columns but one, and those of that one."""
    for name in np.unique(home):
        held: Bool[np.ndarray, " n"] = home == name
        yield np.flatnonzero(~held), np.flatnonzero(held)


def _by_column(
    column: Shaped[np.ndarray, " n"], *values: Float64[np.ndarray, " n"]
) -> list[Float64[np.ndarray, "columns 1"]]:
    """Return the sum of each of some values over each column."""
    home = np.unique(column, return_inverse=True)[1]
    return [np.bincount(home, weights=one)[:, None] for one in values]
