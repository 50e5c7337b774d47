from pathlib import Path

import numpy as np
import pytest
from mtneuro_ssl import TrainSettings, reconstruct, train

SHAPE = {"patch": 4, "patch_depth": 2, "width": 48, "layers": 2, "heads": 3}
DECODER = {"decoder_width": 24, "decoder_layers": 1, "decoder_heads": 2, "mask_ratio": 0.5}


def settings(**changes: object) -> TrainSettings:
    values = {
        "method": "mae", "vit": SHAPE, "mae": DECODER, "batch_size": 16, "steps": 2, "latent_dim": 24,
        "device": "cpu",
    }  # fmt: skip
    return TrainSettings.model_validate(values | changes)


@pytest.fixture(scope="module")
def waves() -> np.ndarray:
    """One wave on grounds of different brightness: a part of an image tells the rest."""
    grounds = np.random.default_rng(0).uniform(80, 180, (64, 1, 1))
    y, x = np.mgrid[:32, :32]
    return (grounds + 60 * np.sin((x + 2 * y) * 2 * np.pi / 64)).astype(np.uint8)


@pytest.fixture(scope="module")
def model(waves, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("models") / "mae"
    mae = {**DECODER, "normalise_patches": False}
    train(waves, settings(mae=mae, steps=120, learning_rate=0.1), out=out)
    return out


def test_hidden_patches_are_predicted_from_visible_ones(model, waves):
    found = reconstruct(model, waves[:16])
    assert found.images.shape == found.hidden.shape == found.predicted.shape == (16, 16, 16)
    np.testing.assert_array_equal(found.images, waves[:16, 8:24, 8:24])
    assert not found.lent
    errors = (found.predicted - found.images)[found.hidden]
    # The grounds are .62 of the variance, and only visible patches tell them.
    assert np.square(errors).mean() < 0.5 * found.images.var()


def test_visible_patches_are_the_images_own_and_hidden_ones_are_whole(model, waves):
    found = reconstruct(model, waves[:5], seed=3)
    np.testing.assert_array_equal(found.predicted[~found.hidden], found.images[~found.hidden])
    blocks = found.hidden.reshape(5, 4, 4, 4, 4)
    counts = blocks.sum(axis=(2, 4))
    assert set(np.unique(counts)) == {0, 16}
    assert ((counts == 16).sum(axis=(1, 2)) == 8).all()
    assert not np.array_equal(found.hidden, reconstruct(model, waves[:5], seed=4).hidden)
    np.testing.assert_array_equal(found.predicted, reconstruct(model, waves[:5], seed=3).predicted)


def test_hidden_pixels_are_not_used(model, waves):
    found = reconstruct(model, waves[:4])
    changed = waves[:4].copy()
    changed[:, 8:24, 8:24][found.hidden] = 7
    np.testing.assert_array_equal(reconstruct(model, changed).predicted, found.predicted)


def test_of_normalised_patches_the_mean_and_contrast_are_the_images(waves, tmp_path):
    train(waves, settings(), out=tmp_path / "mae")
    found = reconstruct(tmp_path / "mae", waves[:4])
    assert found.lent
    hidden = found.hidden.reshape(4, 4, 4, 4, 4)[:, :, 0, :, 0]
    true, told = (
        part.reshape(4, 4, 4, 4, 4).transpose(0, 1, 3, 2, 4).reshape(4, 4, 4, 16)[hidden]
        for part in (found.images, found.predicted)
    )
    # What is predicted is the mean of the patch, and a pattern that is scaled by its standard deviation.
    moved = np.abs(told.mean(axis=1) - true.mean(axis=1)) / true.std(axis=1)
    assert moved.max() < 2


def test_subvolumes_of_another_type_are_reconstructed_too(tmp_path):
    deep = np.random.default_rng(0).integers(0, 4096, (8, 4, 24, 40), dtype=np.uint16)
    train(deep, settings(batch_size=4), out=tmp_path / "mae")
    found = reconstruct(tmp_path / "mae", deep[:2])
    assert found.predicted.shape == (2, 4, 12, 20)
    assert 0 < found.images.max() < 255 * 4096 / 65535
    with pytest.raises(ValueError, match="must be uint16, as the model was trained on, got uint8"):
        reconstruct(tmp_path / "mae", deep[:2].astype(np.uint8))


def test_what_cannot_be_reconstructed_is_refused(model, waves, tmp_path):
    train(waves, TrainSettings(method="pca", components=2), out=tmp_path / "pca")
    with pytest.raises(ValueError, match=r"must be of method 'mae' to reconstruct images, got .* 'pca'"):
        reconstruct(tmp_path / "pca", waves)
    with pytest.raises(ValueError, match="at least 2 patches of 4 x 4, got 9 x 9"):
        reconstruct(model, waves[:, :9, :9])
    with pytest.raises(ValueError, match=r"images must be numbers of shape \(n, y, x\)"):
        reconstruct(model, waves[0])
