from typing import Any

import numpy as np
import pytest
from mtneuro_probe import region_readout


def clusters(seed: int, n: int = 40, apart: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    region = np.arange(n) % 4
    return rng.normal(size=(n, 6)) + apart * np.eye(4, 6)[region], region


def test_regions_far_apart_are_all_named():
    score = region_readout(*clusters(0, apart=20), *clusters(1, apart=20))
    assert score.accuracy == 1.0
    np.testing.assert_array_equal(score.confusion, 10 * np.eye(4, dtype=int))
    assert score.converged
    assert (score.n_train, score.n_test, score.class_names) == (40, 40, ("0", "1", "2", "3"))


def test_accuracy_is_the_diagonal_of_the_confusion():
    score = region_readout(*clusters(0), *clusters(1))
    assert 0.25 < score.accuracy < 1
    assert score.accuracy == np.trace(score.confusion) / score.confusion.sum()
    _, region = clusters(1)
    np.testing.assert_array_equal(score.confusion.sum(axis=1), np.bincount(region))
    np.testing.assert_array_equal(score.confusion.sum(axis=0), np.bincount(score.predicted, minlength=4))


def test_scale_and_shift_of_the_embeddings_change_nothing():
    (x, region), (x_test, test_region) = clusters(0), clusters(1)
    factors = np.logspace(-3, 3, 6)
    plain = region_readout(x, region, x_test, test_region)
    scaled = region_readout(5 + x * factors, region, 5 + x_test * factors, test_region)
    np.testing.assert_array_equal(plain.confusion, scaled.confusion)


def test_the_test_set_does_not_move_the_scale():
    (x, region), (x_test, test_region) = clusters(0), clusters(1)
    both = region_readout(x, region, np.concatenate([x_test, x_test * 1e6]), np.tile(test_region, 2))
    np.testing.assert_array_equal(
        both.predicted[:40], region_readout(x, region, x_test, test_region).predicted
    )


def test_a_region_that_the_test_lacks_keeps_its_row():
    x, region = clusters(0)
    score = region_readout(x, region, x[:2], region[:2], class_names=["CTX", "STR", "VP", "ZI"])
    assert score.confusion.shape == (4, 4)
    assert score.confusion[2:].sum() == 0


def test_a_fit_that_falls_short_is_told(caplog):
    score = region_readout(*clusters(0), *clusters(1), max_iter=1)
    assert not score.converged
    assert "did not converge within 1 iterations" in caplog.text


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"train_region": np.zeros(40, int)}, "at least 2 regions, got only 0"),
        ({"train_region": np.zeros(39, int)}, "40 integers from 0"),
        ({"test_region": np.full(40, -1)}, "40 integers from 0"),
        ({"train_embeddings": np.full((40, 6), np.nan)}, "train_embeddings must be finite"),
        ({"test_embeddings": np.zeros((40, 5))}, "as many features, got 6 and 5"),
        ({"class_names": ["CTX", "STR"]}, "name every region up to 3, got 2 names"),
        ({"C": 0.0}, "C must be above 0"),
    ],
)
def test_wrong_input_is_refused(change, told):
    (x, region), (x_test, test_region) = clusters(0), clusters(1)
    arguments: dict[str, Any] = {
        "train_embeddings": x,
        "train_region": region,
        "test_embeddings": x_test,
        "test_region": test_region,
        **change,
    }
    with pytest.raises(ValueError, match=told):
        region_readout(**arguments)
