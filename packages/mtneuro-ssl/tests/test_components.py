import logging

import numpy as np
import pytest
from mtneuro_ssl import TrainSettings, corner_crops, load_model, train
from mtneuro_ssl.methods.nmf import nonnegative_coefficients
from mtneuro_ssl.methods.pca import principal_components
from scipy.optimize import nnls
from sklearn.decomposition import PCA as ReferencePCA


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (10, 16, 16), dtype=np.uint8)


@pytest.mark.parametrize("count", [12, 200], ids=["fewer rows than pixels", "more rows than pixels"])
def test_principal_components_are_those_of_a_full_svd(count):
    rows = np.random.default_rng(1).random((count, 60), dtype=np.float32)
    mean = rows.mean(axis=0, dtype=np.float64)
    components = principal_components(rows, mean, count=8)
    reference = ReferencePCA(n_components=8, svd_solver="full").fit(rows.astype(np.float64))
    overlap = np.abs(components @ np.asarray(reference.components_).T)
    np.testing.assert_allclose(overlap, np.eye(8), atol=1e-5)
    assert (components[np.arange(8), np.abs(components).argmax(axis=1)] > 0).all()


def test_components_without_variance_are_left_out():
    rows = np.random.default_rng(1).random((5, 60), dtype=np.float32)
    components = principal_components(rows, rows.mean(axis=0, dtype=np.float64), count=5)
    assert len(components) == 4
    np.testing.assert_allclose(components @ components.T, np.eye(4), atol=1e-10)


@pytest.mark.parametrize("method", ["pca", "nmf"])
def test_a_whole_images_embedding_is_the_mean_of_its_corners(method, images, tmp_path):
    model = train(images, TrainSettings(method=method, components=4), out=tmp_path / "model")
    corners = corner_crops(images)
    apart = model.embed(corners.reshape(-1, 8, 8)).reshape(10, 4, -1)
    np.testing.assert_allclose(model.embed(images), apart.mean(axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        load_model(tmp_path / "model").embed(images[:3]), model.embed(images)[:3], rtol=1e-4
    )


def test_pca_embeds_as_scikit_learn_does(images, tmp_path):
    model = train(images, TrainSettings(method="pca", components=6), out=tmp_path / "model")
    crops = corner_crops(images).reshape(-1, 64) / 255
    reference = ReferencePCA(n_components=6, svd_solver="full").fit(crops)
    got = model.embed(corner_crops(images).reshape(-1, 8, 8))
    np.testing.assert_allclose(np.abs(got), np.abs(reference.transform(crops)), atol=1e-4)


def test_fewer_samples_give_fewer_components_and_say_so(images, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        model = train(images, TrainSettings(method="pca"), out=tmp_path / "model")
    assert model.dim == 39  # of 40 crops, less the mean
    assert "40 components in place of 256, from 40 crops of 64 pixels" in caplog.text


def test_nmf_says_when_it_has_not_converged(images, tmp_path, caplog):
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


def test_another_size_is_refused(images, tmp_path):
    model = train(images, TrainSettings(method="pca", components=4), out=tmp_path / "model")
    with pytest.raises(ValueError, match=r"crops of 8 x 8 pixels, .* got 20 x 16"):
        model.embed(np.zeros((2, 20, 16), np.uint8))
