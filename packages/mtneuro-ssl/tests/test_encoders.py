from typing import Any

import numpy as np
import pytest
import torch
from mtneuro_ssl import TrainSettings, check_weights, load_model, train, untrained
from safetensors.torch import save_file

TINY = "tiny_lab:encoder"


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 32, 32), dtype=np.uint8)


def settings(encoder: str, **changes: object) -> TrainSettings:
    return TrainSettings.model_validate(
        {"method": "untrained", "encoder": encoder, "latent_dim": None, "device": "cpu"} | changes
    )


def test_a_users_own_factory_is_an_encoder(images):
    assert untrained(settings(TINY)).embed(images).shape == (6, 16)
    assert untrained(settings(TINY, latent_dim=5)).embed(images).shape == (6, 5)


@pytest.mark.parametrize(("stem", "sd"), [("normal", (2 / (64 * 9)) ** 0.5), ("uniform", (1 / 27) ** 0.5)])
def test_the_stem_is_drawn_as_asked(stem, sd):
    encoder: Any = untrained(settings("resnet18", stem=stem)).encoder
    # Whatever the stem, the next convolution is torchvision's.
    first, second = encoder.conv1.weight.detach(), encoder.layer1[0].conv1.weight.detach()
    assert float(first.std()) == pytest.approx(sd, rel=0.1)
    assert float(second.std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)


def test_a_factory_of_subvolumes_is_an_encoder(images):
    deep = images.reshape(2, 3, 32, 32)
    own = settings("tiny_lab:encoder_3d", depth=3)
    assert untrained(own).embed(deep).shape == (2, 32)
    assert untrained(own.model_copy(update={"latent_dim": 5})).embed(deep).shape == (2, 5)


def test_the_papers_encoder_takes_subvolumes_where_there_is_a_depth(images):
    model = untrained(settings("resnet18", depth=2, latent_dim=8))
    assert model.embed(images.reshape(3, 2, 32, 32)).shape == (3, 8)
    weights = [tensor for name, tensor in model.tensors().items() if name.endswith("layer1.0.conv1.0.weight")]
    assert [tensor.shape for tensor in weights] == [(64, 64, 3, 3, 3)]


def test_a_timm_model_of_images_is_refused_for_subvolumes(images, tmp_path):
    small = settings("timm/test_resnet", method="byol", batch_size=2)
    with pytest.raises(
        ValueError, match="subvolumes must be resnet18, resnet50, vit or your own, as package"
    ):
        train(images.reshape(2, 3, 32, 32), small.model_copy(update={"depth": 3}), out=tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["timm/test_resnet", "timm/test_vit"])
def test_a_timm_model_takes_one_channel_and_any_size(name, images):
    model = untrained(settings(name))
    assert model.embed(images).shape == (6, model.dim)
    assert model.embed(np.pad(images, ((0, 0), (0, 16), (0, 32)))).shape == (6, model.dim)


def test_a_timm_model_trains_and_loads(images, tmp_path):
    small = {"method": "byol", "batch_size": 3, "steps": 2, "hidden": 8, "projection": 4}
    images = np.pad(images, ((0, 0), (16, 16), (16, 16)))
    model = train(images, settings("timm/test_vit", **small), out=tmp_path / "model")
    np.testing.assert_array_equal(load_model(tmp_path / "model").embed(images), model.embed(images))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm/resnet19", r"must name a model that timm knows; nearest: .*resnet"),
        ("tiny_lab:nothing", "must be package.module:function, a function without arguments: .*nothing"),
        ("no_such_lab:encoder", "must be package.module:function, a function without arguments: No module"),
        ("tiny_lab:number", "a function without arguments: 'int' object is not callable"),
        ("tiny_lab:SOURCE", "must be package.module:function"),
        ("builtins:list", "must return a torch module, got list"),
    ],
)
def test_a_wrong_encoder_is_refused(name, message, images, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(images, settings(name, method="byol", batch_size=2), out=tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_training_may_start_from_a_model_folder(images, tmp_path):
    first = train(images, settings(TINY, seed=4, normalisation="given"), out=tmp_path / "first")
    second = untrained(settings(TINY, seed=5, normalisation="given", encoder_weights=str(tmp_path / "first")))
    np.testing.assert_array_equal(first.embed(images), second.embed(images))
    other = untrained(settings(TINY, seed=5, normalisation="given"))
    assert not np.array_equal(other.embed(images), second.embed(images))


def test_a_foundation_encoder_is_evaluated_from_a_file(images, tmp_path):
    import timm

    torch.manual_seed(0)
    network: Any = timm.create_model("test_resnet", in_chans=3, num_classes=1000)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    model = train(
        images,
        settings(
            "timm/test_resnet", normalisation="given", encoder_weights=str(tmp_path / "weights.safetensors")
        ),
        out=tmp_path / "model",
    )
    # The three input channels' filters are summed: a grey image is three equal channels.
    grey = torch.from_numpy(images)[:, None].float().div(255).sub(0.4894).div(0.1238).expand(-1, 3, -1, -1)
    with torch.inference_mode():
        expected = network.eval().forward_head(network.forward_features(grey), pre_logits=True).numpy()
    np.testing.assert_allclose(model.embed(images), expected, atol=1e-4)


def test_weights_that_do_not_fit_are_refused(images, tmp_path):
    train(images, settings(TINY), out=tmp_path / "model")
    with pytest.raises(ValueError, match="must hold the weights of the encoder in the settings"):
        untrained(settings(TINY, latent_dim=3, encoder_weights=str(tmp_path / "model")))
    train(images, TrainSettings(method="pca"), out=tmp_path / "pca")
    with pytest.raises(ValueError, match="must hold the weights of the encoder in the settings"):
        untrained(settings(TINY, encoder_weights=str(tmp_path / "pca")))
    with pytest.raises(FileNotFoundError, match="must be a safetensors file or a model folder"):
        untrained(settings(TINY, encoder_weights=str(tmp_path / "nowhere")))
    with pytest.raises(FileNotFoundError, match="must be a file, a model folder, a folder of one"):
        untrained(settings("timm/test_resnet", encoder_weights=str(tmp_path / "nowhere")))


@pytest.fixture
def offline(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.parametrize(
    ("encoder", "weights", "error", "message"),
    [
        (
            "timm/test_resnet",
            "hub",
            FileNotFoundError,
            "of timm/test_resnet cannot be fetched: HF_HUB_OFFLINE",
        ),
        ("timm/test_resnet", "hf-hub:a/b", FileNotFoundError, "cannot be fetched: HF_HUB_OFFLINE is set"),
        ("timm/test_resnet", "hf-hub:a/b@v1", FileNotFoundError, "cannot be fetched: HF_HUB_OFFLINE is set"),
        ("timm/test_resnet", "hf-hub:a b", ValueError, "must be hf-hub:owner/name, got 'hf-hub:a b'"),
        ("timm/test_resnet", "nowhere", FileNotFoundError, "must be a file, a model folder"),
        ("timm/botnet50ts_256", "hub", FileNotFoundError, "cannot be fetched: timm knows none of it; give a"),
        (TINY, "hub", FileNotFoundError, "must be a safetensors file or a model folder, got hub"),
    ],
)
def test_weights_that_are_not_there_are_refused_before_any_work(
    encoder, weights, error, message, images, tmp_path, offline
):
    asked = settings(encoder, encoder_weights=weights)
    with pytest.raises(error, match=message) as refusal:
        check_weights(asked)
    assert "\n" not in str(refusal.value)
    with pytest.raises(error, match=message):
        train(images, asked, out=tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_weights_of_an_address_alone_are_asked_for_there_unless_they_are_kept(tmp_path, monkeypatch):
    asked = settings("timm/gcvit_xtiny", encoder_weights="hub")
    monkeypatch.setattr("mtneuro_ssl.encoders.address_refusal", "no answer from {}".format)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match=r"cannot be fetched: no answer from http.*/gcvit_xtiny.*\.pth;"
    ):
        check_weights(asked)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "gcvit_xtiny_224_nvidia-274b92b7.pth").touch()
    check_weights(asked)


def test_published_weights_that_do_not_load_are_refused(images, tmp_path, monkeypatch, offline):
    monkeypatch.setattr("mtneuro_ssl.encoders.refusal", lambda *_, **__: "")
    with pytest.raises(ValueError, match="encoder_weights 'hub' must load into timm/test_resnet"):
        train(images, settings("timm/test_resnet", encoder_weights="hub"), out=tmp_path / "model")
    assert not (tmp_path / "model").exists()
