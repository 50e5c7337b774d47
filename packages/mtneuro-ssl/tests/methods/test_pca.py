import numpy as np
import pytest
from mtneuro_ssl import TrainSettings, corner_crops, train
from mtneuro_ssl.methods.pca import principal_components
from sklearn.decomposition import PCA as ReferencePCA


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


def test_pca_embeds_as_scikit_learn_does(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (10, 16, 16), dtype=np.uint8)
    model = train(images, TrainSettings(method="pca", components=6), out=tmp_path / "model")
    crops = corner_crops(images).reshape(-1, 64) / 255
    reference = ReferencePCA(n_components=6, svd_solver="full").fit(crops)
    got = model.embed(corner_crops(images).reshape(-1, 8, 8))
    np.testing.assert_allclose(np.abs(got), np.abs(reference.transform(crops)), atol=1e-4)
