from typing import Any

import numpy as np
import pandas as pd
import pytest
from mtneuro_probe import Embeddings
from scipy.stats import t
from sklearn.metrics import r2_score

from mtneuro_suite.steps.held_out import HELD_OUT, held_out_rows

KEY = {"model": "mine", "seed": 1, "task": "t", "training_set": "t:all"}


def columns(names, *, slices=20, rng, noise=0.1):
    """Return embeddings of some columns and a table of what a line tells of them, and of what none does."""
    ids = np.array([f"{name}/z{z}" for name in names for z in range(slices)])
    x = rng.normal(size=(len(ids), 3)).astype(np.float32)
    line = 2 * x[:, 0] - x[:, 1] + 5 + noise * rng.normal(size=len(ids))
    table = pd.DataFrame({"told": line, "noise": rng.normal(size=len(ids)), "flat": 1.0}, index=ids)
    return Embeddings(x, ids), table


def scored(learnt, tested) -> dict[str, Any]:
    found = held_out_rows(learnt, tested, test_set="semantics:all", key=KEY)
    return {row.class_name: row for row in found}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_other_columns_are_scored_by_what_was_fitted_to_the_first(rng):
    learnt, tested = columns("ABCD", rng=rng), columns("EFGH", rng=rng)
    rows = scored(learnt, tested)
    told = rows["told"]
    assert (told.metric, told.n, told.test_set) == (HELD_OUT, 80, "semantics:all")
    assert told.value > 0.98
    assert told.low < told.value < told.high
    assert rows["noise"].value < 0.1
    # Columns may be told apart by their means: what the first lack is an error in the others.
    shifted = (tested[0], tested[1].assign(told=tested[1]["told"] + 10))
    assert scored(learnt, shifted)["told"].value < 0


def test_the_interval_is_students_over_the_scored_columns(rng):
    learnt, tested = columns("ABCD", rng=rng), columns("EFGHI", rng=rng, noise=2.0)
    row = scored(learnt, tested)["told"]
    x, y = tested[0].embeddings, tested[1]["told"].to_numpy()
    coefficients = np.linalg.lstsq(
        np.column_stack([learnt[0].embeddings, np.ones(80)]), learnt[1]["told"].to_numpy(), rcond=None
    )[0]
    predicted = x @ coefficients[:3] + coefficients[3]
    # A weak ridge is all that is chosen here.
    assert row.value == pytest.approx(r2_score(y, predicted), abs=0.01)
    away, wrong = ((one.reshape(5, 20) ** 2).sum(axis=1) for one in (y - y.mean(), y - predicted))
    rest = (away - wrong - row.value * away) / away.sum()
    half = t.ppf(0.975, 4) * np.sqrt(5 / 4 * (rest**2).sum())
    assert (row.low, row.high) == pytest.approx((row.value - half, row.value + half), abs=0.02)


def test_what_cannot_be_read_has_a_reason_and_missing_samples_are_left_out(rng):
    learnt, tested = columns("ABCD", rng=rng), columns("EFGH", rng=rng)
    assert scored(learnt, tested)["flat"].value is None
    assert scored(learnt, tested)["flat"].note == "the feature is constant"
    table = tested[1].copy()
    table.loc[table.index[:30], "told"] = np.nan
    assert scored(learnt, (tested[0], table))["told"].n == 50
    nowhere = scored(learnt, (tested[0], tested[1].assign(told=np.nan)))["told"]
    assert (nowhere.value, nowhere.note) == (None, "no sample has the feature")
    one = scored(columns("A", rng=rng), tested)["told"]
    assert one.note == "fewer than 2 columns to fit a readout to have the feature"
    two = scored(learnt, columns("EF", rng=rng))["told"]
    assert (two.low, two.value is None) == (None, False)
