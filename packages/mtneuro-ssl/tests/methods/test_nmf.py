import logging
from typing import Any

import numpy as np
import pytest
from mtneuro_ssl import TrainSettings, train
from mtneuro_ssl.methods.nmf import nonnegative_coefficients
from mtneuro_ssl.views import corner_crops
from scipy.optimize import OptimizeResult, nnls
from sklearn import decomposition


def test_nmf_warns_when_it_has_not_converged(tmp_path, caplog):
    images = np.random.default_rng(0).integers(0, 256, (10, 16, 16), dtype=np.uint8)
    with caplog.at_level(logging.WARNING):
        settings = TrainSettings(method="nmf", components=4, nmf_iterations=1)
        model = train(images, settings, out=tmp_path / "model")
    assert "not converged after 1 iterations" in caplog.text
    assert (model.embed(images) >= 0).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("start", ["nndsvda", "random"])
def test_nmf_starts_as_asked(start, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (10, 16, 16), dtype=np.uint8)
    settings = TrainSettings(method="nmf", components=4, nmf_iterations=20, nmf_start=start, seed=3)
    model: Any = train(images, settings, out=tmp_path / "model")
    rows = corner_crops(images).reshape(40, 64).astype(np.float32) / 255
    # The type stubs allow the default only, a string.
    fitted = decomposition.NMF(4, init=start, random_state=3, max_iter=20)  # pyright: ignore[reportArgumentType]
    expected = fitted.fit(rows).components_
    np.testing.assert_allclose(model.components.reshape(4, 64), expected, rtol=1e-5)


def test_nonnegative_coefficients_solve_each_row_by_itself():
    rng = np.random.default_rng(2)
    parts = rng.random((6, 30), dtype=np.float32)
    rows = rng.random((9, 30), dtype=np.float32)
    got = nonnegative_coefficients(rows, parts)
    expected = np.stack([nnls(parts.T.astype(float), row.astype(float))[0] for row in rows])
    np.testing.assert_allclose(got, expected, atol=1e-3)
    np.testing.assert_allclose(nonnegative_coefficients(rows[4:5], parts), got[4:5], atol=1e-4)


def overlapping() -> tuple[np.ndarray, np.ndarray]:
    """Rows, and parts that overlap so much that descent along one at a time hardly moves."""
    y, x = np.mgrid[:16, :16]
    centres = [(a, b) for a in range(0, 16, 2) for b in range(0, 16, 2)]
    parts = np.stack([np.exp(-((y - a) ** 2 + (x - b) ** 2) / 18).ravel() for a, b in centres])
    return np.random.default_rng(0).random((6, 256), dtype=np.float32), parts.astype(np.float32)


def test_coefficients_of_overlapping_parts_are_the_nearest_combination():
    rows, parts = overlapping()
    got = nonnegative_coefficients(rows, parts)
    expected = np.stack([nnls(parts.T.astype(float), row.astype(float))[0] for row in rows])
    np.testing.assert_allclose(got, expected, atol=1e-4 * expected.max())
    # The conditions of an optimum: no part may pull further, and none that is used may pull at all.
    slope = (got.astype(float) @ parts - rows) @ parts.T.astype(float)
    assert slope.min() > -1e-4
    assert np.abs(slope[got > 0]).max() < 1e-4
    for row in range(6):
        np.testing.assert_array_equal(nonnegative_coefficients(rows[row : row + 1], parts)[0], got[row])


def test_a_part_of_nothing_and_equal_parts_have_coefficients():
    rows = np.array([[1, 2, 3], [0, 0, 0]], np.float32)
    parts = np.array([[0, 0, 0], [1, 2, 3], [1, 2, 3], [0, 0, 1], [1, 0, 0]], np.float32)
    got = nonnegative_coefficients(rows, parts)
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got[:, 1] + got[:, 2], [1, 0], atol=1e-6)


def test_an_active_set_that_goes_round_in_circles_is_solved_otherwise(monkeypatch, caplog):
    def circling(*_, **__):
        raise RuntimeError("Maximum number of iterations reached.")

    rows, parts = overlapping()
    expected = nonnegative_coefficients(rows[:1], parts[::4])
    monkeypatch.setattr("scipy.optimize.nnls", circling)
    got = nonnegative_coefficients(rows[:1], parts[::4])
    np.testing.assert_allclose(got, expected, atol=1e-3 * expected.max())
    assert not caplog.text
    monkeypatch.setattr("scipy.optimize.lsq_linear", lambda *_, **__: OptimizeResult(x=1, success=False))
    nonnegative_coefficients(rows[:2], parts)
    assert "the coefficients of 2 of 2 crops did not converge" in caplog.text
