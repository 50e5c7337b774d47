import numpy as np
import pytest
from mtneuro_probe import LinearReadout, block_splits
from mtneuro_probe.readout.linear import cross_validated_predictions
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


@parametrize_with_checks([LinearReadout(), LinearReadout(alphas=(0.0,))])
def test_readout_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_no_ridge_is_the_ordinary_least_squares_of_scikit_learn(rng):
    x, y = rng.normal(size=(60, 7)), rng.normal(size=(60, 3))
    ours, theirs = LinearReadout(alphas=(0.0,)).fit(x, y), LinearRegression().fit(x, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-10)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), atol=1e-10)


@pytest.mark.parametrize("n", [20, 80])
def test_a_ridge_is_that_of_scikit_learn_on_standardised_embeddings(rng, n):
    x, y = rng.normal(3, 2, size=(n, 40)), rng.normal(size=n)
    ours = LinearReadout(alphas=(7.0,)).fit(x, y)
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    np.testing.assert_allclose(ours.predict(x), Ridge(7.0).fit(standard, y).predict(standard), atol=1e-9)


def test_the_strength_is_the_one_that_predicts_held_out_rows_best(rng):
    x = rng.normal(size=(50, 30))
    y = x[:, 0] + rng.normal(size=50)
    strengths, splits = (0.1, 10.0, 1000.0), block_splits(np.full(50, "A"), np.arange(50), gap=2)
    errors = []
    for alpha in strengths:
        missed = [
            y[test] - LinearReadout(alphas=(alpha,)).fit(x[train], y[train]).predict(x[test])
            for train, test in splits
        ]
        errors.append((np.concatenate(missed) ** 2).sum())
    assert LinearReadout(alphas=strengths, cv=splits).fit(x, y).alpha_ == strengths[np.argmin(errors)]


def test_each_target_has_a_strength_of_its_own(rng):
    x = rng.normal(size=(100, 10))
    y = np.column_stack([x[:, 0], rng.normal(size=100)])
    readout = LinearReadout().fit(x, y)
    assert readout.alpha_[0] < readout.alpha_[1]
    one = LinearReadout().fit(x, y[:, 1])
    assert one.alpha_ == readout.alpha_[1]
    np.testing.assert_allclose(one.coef_, readout.coef_[1])


def test_a_constant_dimension_gets_no_weight(rng):
    x = np.column_stack([rng.normal(size=30), np.full(30, 0.1)])
    assert LinearReadout().fit(x, rng.normal(size=30)).coef_[1] == 0


@pytest.mark.parametrize("alphas", [(), (-1.0,), (np.nan, 1.0)])
def test_a_strength_below_zero_is_refused(alphas):
    with pytest.raises(ValueError, match="finite numbers, 0 or above"):
        LinearReadout(alphas=alphas).fit(np.arange(6.0)[:, None], np.arange(6.0))


def test_a_prediction_comes_from_a_readout_that_was_not_fitted_near_the_sample(rng):
    x, y = rng.normal(size=(60, 3)), rng.normal(size=(60, 2))
    cube, z = np.repeat(["A", "B"], 30), np.tile(np.arange(30), 2)
    predicted = cross_validated_predictions(x, y, cube=cube, z=z, n_splits=3, gap=2, alphas=(1.0,))
    train, test = block_splits(cube, z, n_splits=3, gap=2)[1]
    expected = LinearReadout(alphas=(1.0,)).fit(x[train], y[train]).predict(x[test])
    np.testing.assert_array_equal(predicted[test], expected)


def test_a_dimension_whose_last_bits_alone_differ_is_left_out():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3)).astype(np.float32)
    one = np.float32(1)
    dead = np.where(rng.random((80, 60)) < 0.5, one, np.nextafter(one, np.float32(2)))
    y = x[:, 0] + rng.normal(size=80)
    alone = LinearReadout(alphas=(0.0,)).fit(x, y)
    beside = LinearReadout(alphas=(0.0,)).fit(np.hstack([x, dead]), y)
    np.testing.assert_allclose(beside.coef_[:3], alone.coef_, rtol=1e-9)
    assert (beside.coef_[3:] == 0).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_collapsed_embedding_says_no_more_than_the_one_direction_that_it_has(kind):
    rng = np.random.default_rng(0)
    along, y = rng.normal(size=300), rng.normal(size=300)
    # Each dimension is a multiple of one number, up to the last bits of float32.
    x = (3 + along[:, None] * rng.normal(size=40)).astype(np.float32).astype(kind)
    alone = LinearReadout(alphas=(0.0,)).fit(along[:, None], y).score(along[:, None], y)
    assert LinearReadout(alphas=(0.0,)).fit(x, y).score(x, y) == pytest.approx(alone, abs=1e-4)
    assert alone < 0.02


def test_a_weak_direction_above_rounding_errors_counts():
    rng = np.random.default_rng(0)
    along, weak = rng.normal(size=(2, 300))
    x = (along[:, None] * rng.normal(size=40) + 1e-3 * weak[:, None] * rng.normal(size=40)).astype(np.float32)
    assert LinearReadout(alphas=(0.0,)).fit(x, weak).score(x, weak) > 0.99
