import json
import re

import numpy as np
import pytest
import torch
from mtneuro_ssl import TrainSettings, load_encoder, load_model, train, untrained
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file

TINY = "tiny_lab:encoder"


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 32, 32), dtype=np.uint8)


def settings(encoder: str, **changes: object) -> TrainSettings:
    return TrainSettings.model_validate(
        {"method": "untrained", "encoder": encoder, "latent_dim": None, "device": "cpu"} | changes
    )


def test_a_broken_folder_is_refused(tmp_path):
    model = untrained(TrainSettings(latent_dim=6, device="cpu"))
    with pytest.raises(FileNotFoundError, match=r"must hold config.json"):
        load_model(tmp_path)
    model.save(tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    text = config.read_text()
    config.write_text(text.replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(ValueError, match="got kind 'network' and format_version 2"):
        load_model(tmp_path / "model")
    config.write_text(text[:20])
    with pytest.raises(ValueError, match="must be JSON"):
        load_model(tmp_path / "model")
    config.write_text(text)
    weights = tmp_path / "model" / "model.safetensors"
    save_arrays({name: part for name, part in load_arrays(weights).items() if "fc" not in name}, weights)
    with pytest.raises(ValueError, match=r"model.safetensors must hold the weights"):
        load_model(tmp_path / "model")


def test_loading_calls_a_factory_only_when_it_is_trusted(images, tmp_path):
    train(images, settings(TINY), out=tmp_path / "model")
    with pytest.raises(ValueError, match="names 'tiny_lab:encoder', code that would be imported and called"):
        load_model(tmp_path / "model")
    assert load_model(tmp_path / "model", trusted=[TINY]).dim == 16


def test_an_encoder_is_loaded_as_a_module(images, tmp_path):
    model = train(images, settings(TINY), out=tmp_path / "model")
    encoder = load_encoder(tmp_path / "model", trusted=[TINY])
    assert not encoder.training
    for name, part in load_file(tmp_path / "model" / "model.safetensors").items():
        assert torch.equal(encoder.state_dict()[name.removeprefix("encoder.")], part)
    assert model.dim == 16
    train(images, TrainSettings(method="pca"), out=tmp_path / "pca")
    with pytest.raises(ValueError, match=r"an encoder is a network, but .* holds 'pca'"):
        load_encoder(tmp_path / "pca")


def test_an_encoder_comes_from_a_repository_of_the_hub(images, tmp_path, monkeypatch):
    """From the client's own cache of what it has fetched: no test reaches the hub."""
    train(images, settings(TINY), out=tmp_path / "model")
    repository = tmp_path / "hub" / "models--owner--name"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    (repository / "snapshots").mkdir()
    (tmp_path / "model").rename(repository / "snapshots" / ("0" * 40))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    encoder = load_encoder("owner/name", trusted=[TINY])
    weights = load_file(repository / "snapshots" / ("0" * 40) / "model.safetensors")
    assert torch.equal(encoder.state_dict()["0.weight"], weights["encoder.0.weight"])


def test_an_encoder_that_cannot_be_fetched_is_refused(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match="owner/name must be a model folder, or a repository"):
        load_encoder("owner/name")


def test_the_config_is_plain_json(images, tmp_path):
    train(images, settings(TINY), out=tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["settings"]["encoder"] == TINY


def test_a_model_of_a_gpu_loads_without_one_unless_one_is_asked_for(images, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    train(images, settings(TINY), out=tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    for other in ("mps", "cuda"):
        config.write_text(re.sub('"device": "[a-z]+"', f'"device": "{other}"', config.read_text()))
        assert load_model(tmp_path / "model", trusted=[TINY]).settings.device == "auto"
    assert load_model(tmp_path / "model", trusted=[TINY]).settings.device == "auto"
    with pytest.raises(ValueError, match="device 'cuda' needs a CUDA GPU"):
        load_model(tmp_path / "model", trusted=[TINY], device="cuda")
