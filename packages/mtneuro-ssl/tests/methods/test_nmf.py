import logging

import numpy as np
from mtneuro_ssl import TrainSettings, train
from mtneuro_ssl.methods.nmf import nonnegative_coefficients
from scipy.optimize import nnls


def test_nmf_warns_when_it_has_not_converged(tmp_path, caplog):
    images = np.random.default_rng(0).integers(0, 256, (10, 16, 16), dtype=np.uint8)
    with caplog.at_level(logging.WARNING):
        settings = TrainSettings(method="nmf", components=4, nmf_iterations=1)
        model = train(images, settings, out=tmp_path / "model")
    assert "not converged after 1 iterations" in caplog.text
    assert (model.embed(images) >= 0).all()


def test_nonnegative_coefficients_solve_each_row_by_itself():
    rng = np.random.default_rng(2)
    parts = rng.random((6, 30), dtype=np.float32)
    rows = rng.random((9, 30), dtype=np.float32)
    got = nonnegative_coefficients(rows, parts)
    expected = np.stack([nnls(parts.T.astype(float), row.astype(float))[0] for row in rows])
    np.testing.assert_allclose(got, expected, atol=1e-3)
    np.testing.assert_allclose(nonnegative_coefficients(rows[4:5], parts), got[4:5], atol=1e-4)
