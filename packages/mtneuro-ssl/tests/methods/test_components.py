import logging

import numpy as np
import pytest
from mtneuro_ssl import TrainSettings, corner_crops, load_model, train


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (10, 16, 16), dtype=np.uint8)


@pytest.mark.parametrize("method", ["pca", "nmf"])
def test_a_whole_images_embedding_is_the_mean_of_its_corners(method, images, tmp_path):
    model = train(images, TrainSettings(method=method, components=4), out=tmp_path / "model")
    corners = corner_crops(images)
    apart = model.embed(corners.reshape(-1, 8, 8)).reshape(10, 4, -1)
    np.testing.assert_allclose(model.embed(images), apart.mean(axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        load_model(tmp_path / "model").embed(images[:3]), model.embed(images)[:3], rtol=1e-4
    )


def test_fewer_samples_give_fewer_components_and_a_warning(images, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        model = train(images, TrainSettings(method="pca"), out=tmp_path / "model")
    assert model.dim == 39  # of 40 crops, less the mean
    assert "40 components in place of 256, from 40 crops of 64 pixels" in caplog.text


def test_another_size_is_refused(images, tmp_path):
    model = train(images, TrainSettings(method="pca", components=4), out=tmp_path / "model")
    with pytest.raises(ValueError, match=r"crops of 8 x 8 pixels, .* got 20 x 16"):
        model.embed(np.zeros((2, 20, 16), np.uint8))
