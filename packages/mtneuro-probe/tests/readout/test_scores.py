import numpy as np
import pytest
from mtneuro_probe.readout.scores import null_of, r2, r2_contributions, r2_interval, within_groups
from mtneuro_probe.readout.uncertainty import Runs, bootstrap_counts, interval
from sklearn.metrics import r2_score


def test_the_interval_is_that_of_a_plain_bootstrap():
    rng = np.random.default_rng(1)
    run = np.repeat(np.arange(12), 5)
    y = rng.normal(size=(60, 1))
    predicted = y + 0.5 * rng.normal(size=(60, 1))
    runs = Runs(run=run, length=5)
    low, high = r2_interval(y, predicted, runs, n_draws=400, rng=np.random.default_rng(5))
    counts = bootstrap_counts(12, n_draws=400, rng=np.random.default_rng(5))
    plain = []
    for count in counts:
        rows = np.concatenate([np.flatnonzero(run == at) for at in np.repeat(np.arange(12), count)])
        plain.append(r2_score(y[rows], predicted[rows]))
    assert (low, high) == pytest.approx(interval(np.array(plain), n_runs=12))
    assert low < r2(y, predicted) < high
    few = Runs(run=run, length=5, reason="too few")
    assert np.isnan(r2_interval(y, predicted, few, n_draws=9, rng=np.random.default_rng(5))).all()


def test_a_contribution_is_what_a_sample_changes():
    rng = np.random.default_rng(2)
    y = rng.normal(size=(40, 2))
    predicted = y + rng.normal(size=(40, 2))
    told = r2_contributions(y, predicted)
    assert told.sum() == pytest.approx(0, abs=1e-9)
    # A sample counted a little more often moves the score by its contribution.
    often, spread = 1e-6, ((y - y.mean(axis=0)) ** 2).sum()
    for row in (0, 17):
        weight = np.ones(40)
        weight[row] += often
        mean = np.average(y, axis=0, weights=weight)
        error = (weight[:, None] * (y - predicted) ** 2).sum()
        moved = 1 - error / (weight[:, None] * (y - mean) ** 2).sum()
        assert (moved - r2(y, predicted)) / often == pytest.approx(-told[row] / spread, rel=1e-3)


def test_score_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, predicted = rng.normal(size=(30, 1)), rng.normal(size=(30, 1))
    assert r2(y, predicted) == pytest.approx(r2_score(y, predicted))


def test_the_p_value_counts_the_true_order_among_the_permutations():
    level, p_value = null_of(0.9, np.linspace(0, 0.5, 99))
    assert p_value == 1 / 100
    assert 0.45 < level < 0.5


def test_few_permutations_have_no_level_that_1_in_20_exceeds():
    assert np.isnan(null_of(0.9, np.zeros(18))[0])
    assert null_of(0.9, np.zeros(0))[1] == 1


def test_a_score_of_a_constant_is_nan():
    assert np.isnan(r2(np.full((3, 1), 0.3), np.zeros((3, 1))))


def test_errors_within_and_between_groups_add_up():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 40)
    y, predicted = rng.normal(size=(40, 1)), rng.normal(size=(40, 1))
    inside = within_groups(y, group) - within_groups(predicted, group)
    between = [(group == at).sum() * (y - predicted)[group == at].mean() ** 2 for at in range(3)]
    assert (inside**2).sum() + sum(between) == pytest.approx(((y - predicted) ** 2).sum())
