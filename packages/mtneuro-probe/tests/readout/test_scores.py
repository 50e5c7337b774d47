import numpy as np
import pytest
from mtneuro_probe.readout.scores import null_of, r2, r2_interval
from mtneuro_probe.readout.uncertainty import bootstrap_counts
from sklearn.metrics import r2_score


def test_the_interval_is_that_of_a_plain_bootstrap():
    rng = np.random.default_rng(1)
    run = np.repeat(np.arange(12), 5)
    y = rng.normal(size=(60, 1))
    predicted = y + 0.5 * rng.normal(size=(60, 1))
    low, high = r2_interval(y, predicted, run, n_draws=400, rng=np.random.default_rng(5))
    counts = bootstrap_counts(12, n_draws=400, rng=np.random.default_rng(5))
    plain = []
    for count in counts:
        rows = np.concatenate([np.flatnonzero(run == at) for at in np.repeat(np.arange(12), count)])
        plain.append(r2_score(y[rows], predicted[rows]))
    assert (low, high) == pytest.approx(tuple(np.quantile(plain, [0.025, 0.975])))
    assert low < r2(y, predicted) < high


def test_score_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, predicted = rng.normal(size=(30, 1)), rng.normal(size=(30, 1))
    assert r2(y, predicted) == pytest.approx(r2_score(y, predicted))


def test_the_p_value_counts_the_true_order_among_the_permutations():
    level, p_value = null_of(0.9, np.linspace(0, 0.5, 99))
    assert p_value == 1 / 100
    assert 0.45 < level < 0.5


def test_a_score_of_a_constant_is_nan():
    assert np.isnan(r2(np.full((3, 1), 0.3), np.zeros((3, 1))))
