import json

import numpy as np
import pytest
import torch
from mtneuro_ssl import TrainSettings, embed, feature_maps, load_model, train, untrained
from mtneuro_ssl.views import normalised


@pytest.fixture
def model():
    return untrained(TrainSettings(latent_dim=6, device="cpu"))


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 16, 24), dtype=np.uint8)


def test_a_row_does_not_depend_on_the_batch(model, images):
    whole = embed(model, images)
    np.testing.assert_allclose(embed(model, images, batch_size=3), whole, atol=1e-5)
    np.testing.assert_allclose(embed(model, images[::-1], batch_size=2)[::-1], whole, atol=1e-5)
    np.testing.assert_array_equal(embed(model, images), whole)


def test_a_volume_is_embedded_without_being_read_whole(model, images, tmp_path):
    import zarr

    volume = zarr.create_array(tmp_path / "volume.zarr", data=images)
    np.testing.assert_array_equal(embed(model, volume, batch_size=3), embed(model, images, batch_size=3))


def test_embedding_reports_progress(model, images):
    calls: list[tuple[int, int]] = []
    embed(model, images, batch_size=3, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(3, 7), (6, 7), (7, 7)]


def test_another_seed_gives_other_weights(images):
    first, again, other = (
        untrained(TrainSettings(latent_dim=6, seed=seed)).embed(images) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_saving_and_loading_changes_nothing(model, images, tmp_path):
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.embed(images), model.embed(images))
    assert loaded.settings == model.settings
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert (config["format_version"], config["kind"], config["dim"]) == (1, "network", 6)


@pytest.mark.usefixtures("unchecked")
def test_wrong_images_and_batches_are_refused(model, images):
    with pytest.raises(ValueError, match="must be uint8, got float64 with values from 0 to"):
        model.embed(images.astype(float))
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        model.embed(images, batch_size=0)


def test_cuda_without_a_gpu_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="device 'cuda' needs a CUDA GPU"):
        untrained(TrainSettings(device="cuda"))


def test_a_models_feature_maps_are_its_encoders_of_normalised_images(model, images):
    parts = list(model.feature_maps(images, batch_size=3))
    assert [len(part) for part in parts] == [3, 3, 1]
    given = normalised(torch.from_numpy(images), mean=model.settings.mean, sd=model.settings.sd)
    torch.testing.assert_close(torch.cat(parts), feature_maps(model.encoder, given), atol=1e-4, rtol=1e-4)


def test_a_model_of_components_has_no_feature_maps(images, tmp_path):
    pca = train(images, TrainSettings(method="pca", components=2), out=tmp_path / "pca")
    with pytest.raises(ValueError, match="feature maps need a model with a network, got one of 'pca'"):
        pca.feature_maps(images)
