"""Weights under the original benchmark's names, made here as its code lays them out, and read as models.

The networks below are written for these tests: the layout of names is the original's, and what they compute
is the oracle.
"""

from typing import Any

import numpy as np
import pytest
import torch
from mtneuro_ssl import TrainSettings, load_model, new_method, original_model, untrained
from mtneuro_ssl.original import original_heads
from torch import nn
from torchvision.models import resnet

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)


def sequence(make=resnet.resnet18, *, classes: int = 0) -> nn.ModuleDict:
    """Return an encoder as the original lays it out: a sequence ``f`` without max-pool, a classifier at 9."""
    network = make()
    parts = [module for name, module in network.named_children() if name not in ("maxpool", "fc")]
    parts[0] = nn.Conv2d(1, 64, 3, padding=1, bias=False)
    if classes:
        parts += [nn.Flatten(), nn.Linear(network.fc.in_features, classes)]
    made = nn.ModuleDict({"f": nn.Sequential(*parts)})
    for name, buffer in made.named_buffers():
        if name.endswith("running_mean"):
            nn.init.uniform_(buffer, -1, 1)
        elif name.endswith("running_var"):
            nn.init.uniform_(buffer, 0.5, 2)
    return made.eval()


def head(inputs: int) -> nn.ModuleDict:
    layers = nn.Sequential(nn.Linear(inputs, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 4, bias=False))
    return nn.ModuleDict({"net": layers})


def checkpoint(encoder: nn.ModuleDict, *, mined: bool = False) -> dict[str, Any]:
    """Return a checkpoint of BYOL, or of MYOW with its second heads."""
    parts = {
        "online_encoder": encoder,
        "target_encoder": sequence(),
        "online_projector": head(512),
        "target_projector": head(512),
        "predictor": head(4),
    }
    if mined:
        parts |= {"online_projector_m": head(4), "target_projector_m": head(4), "predictor_m": head(4)}
    optimiser = torch.optim.SGD(encoder.parameters(), lr=1e-4, momentum=0.9)
    encoder["f"](torch.rand(2, 1, 8, 8)).sum().backward()
    optimiser.step()
    return {
        "optimizer": optimiser.state_dict(),
        "epoch": 800,
        "step": 107_200,
        "checksum": "0" * 32,
        "model": nn.ModuleDict(parts).state_dict(),
    }


def features(encoder: nn.ModuleDict, *, mean: float, sd: float) -> np.ndarray:
    """Return what the original's encoder makes of the images, as plain formulas."""
    pixels = (torch.from_numpy(IMAGES)[:, None] / 255 - mean) / sd
    with torch.no_grad():
        return encoder["f"](pixels).flatten(1).numpy()


@pytest.mark.parametrize(("mined", "method"), [(False, "byol"), (True, "myow")])
def test_a_checkpoint_gives_the_embeddings_of_its_online_encoder(tmp_path, mined, method):
    encoder = sequence()
    torch.save(checkpoint(encoder, mined=mined), tmp_path / "ckpt-800.pt")
    model = original_model(tmp_path / "ckpt-800.pt")
    assert (model.settings.method, model.settings.epochs, model.dim) == (method, 800, 512)
    assert (model.settings.hidden, model.settings.projection) == (6, 4)
    np.testing.assert_allclose(
        model.embed(IMAGES), features(encoder, mean=0.4894, sd=0.1238), rtol=1e-4, atol=1e-4
    )
    model.save(tmp_path / "model", source="ckpt-800.pt")
    np.testing.assert_array_equal(load_model(tmp_path / "model").embed(IMAGES), model.embed(IMAGES))
    assert "from `ckpt-800.pt`" in (tmp_path / "model" / "README.md").read_text()


@pytest.mark.parametrize(("mined", "method"), [(False, "myow-m"), (True, "myow")])
def test_a_run_starts_from_a_checkpoints_encoder_and_heads(tmp_path, mined, method):
    held = checkpoint(sequence(), mined=mined)
    torch.save(held, tmp_path / "ckpt.pt")
    original_model(tmp_path / "ckpt.pt").save(tmp_path / "run", heads=original_heads(tmp_path / "ckpt.pt"))
    settings = TrainSettings(
        method=method, start_from=str(tmp_path / "run"), latent_dim=None, hidden=6, projection=4,
        batch_size=2, steps=1, device="cpu",
    )  # fmt: skip
    started, weights = new_method(IMAGES, settings), held["model"]
    projector = started.state_dict()
    for layer in (0, 1, 3):
        theirs = weights[f"online_projector.net.{layer}.weight"]
        assert torch.equal(projector[f"projector.layers.{layer}.weight"], theirs)
        assert torch.equal(projector[f"target_projector.layers.{layer}.weight"], theirs)
    saved = load_model(tmp_path / "run").tensors()
    assert torch.equal(projector["encoder.conv1.weight"], saved["encoder.conv1.weight"])
    if mined:
        assert torch.equal(projector["mined_predictor.layers.3.weight"], weights["predictor_m.net.3.weight"])


def test_a_supervised_classifier_predicts_from_images_that_are_not_normalised(tmp_path):
    network = sequence(classes=4)
    torch.save(network.state_dict(), tmp_path / "ResNet18.pt")
    model = original_model(tmp_path / "ResNet18.pt")
    assert (model.settings.method, model.settings.mean, model.settings.sd) == ("supervised", 0, 1)
    assert model.classes == ("CTX", "STR", "VP", "ZI")
    scores = features(network, mean=0, sd=1)
    np.testing.assert_array_equal(model.predict(IMAGES), scores.argmax(axis=1))
    layer = network.get_submodule("f.9")
    embeddings = torch.from_numpy(model.embed(IMAGES))
    np.testing.assert_allclose(layer(embeddings).detach().numpy(), scores, rtol=1e-4, atol=1e-4)


def test_a_linear_stage_is_taken_with_its_encoder(tmp_path):
    encoder, classifier = sequence(), nn.Linear(512, 4)
    torch.save(
        nn.ModuleDict({"encoder": encoder, "classifier": classifier}).state_dict(), tmp_path / "linear.pt"
    )
    model = original_model(tmp_path / "linear.pt", method="myow-m")
    assert model.settings.method == "myow-m"
    scores = classifier(torch.from_numpy(features(encoder, mean=0, sd=1)))
    np.testing.assert_array_equal(model.predict(IMAGES), scores.argmax(dim=1).numpy())


def test_a_resnet_50_is_told_by_its_weights(tmp_path):
    encoder = sequence(resnet.resnet50)
    torch.save(encoder.state_dict(), tmp_path / "encoder.pt")
    model = original_model(tmp_path / "encoder.pt", mean=0.4894, sd=0.1238)
    assert (model.settings.encoder, model.dim) == ("resnet50", 2048)
    np.testing.assert_allclose(
        model.embed(IMAGES), features(encoder, mean=0.4894, sd=0.1238), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "resnet50"}, r"encoder must be 'resnet18', as in .*w\.pt, got 'resnet50'"),
        ({"latent_dim": 256}, "latent_dim must be None, as in"),
        ({"method": "pca"}, "method must be one that trains an encoder, got 'pca'"),
        ({"metod": "byol"}, "did you mean 'method'"),
    ],
)
def test_what_contradicts_the_weights_is_refused(tmp_path, changes, message):
    torch.save(sequence().state_dict(), tmp_path / "w.pt")
    with pytest.raises(ValueError, match=message):
        original_model(tmp_path / "w.pt", **changes)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"down_blocks.0.conv1.weight": torch.zeros(1)}, r"it is a U-Net: `mtneuro-seg import .*w\.pt -o"),
        (
            {"conv1.weight": torch.zeros(1)},
            "must hold an encoder of the original benchmark.*got conv1.weight",
        ),
        ({}, "got nothing"),
        ({"f.0.weight": torch.zeros(64, 3, 3, 3)}, r"images of one channel.*got \(64, 3, 3, 3\)"),
        ({"f.0.weight": torch.zeros(64, 1, 3, 3)}, r"w\.pt must hold the weights of the original's resnet18"),
    ],
)
def test_other_weights_are_refused(tmp_path, table, message):
    torch.save(table, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=message):
        original_model(tmp_path / "w.pt")


def test_the_file_itself_in_place_of_a_model_is_answered_with_the_command(tmp_path):
    torch.save(sequence().state_dict(), tmp_path / "ckpt.pt")
    with pytest.raises(ValueError, match=r"`mtneuro-ssl import .*ckpt\.pt -o FOLDER` makes a model folder"):
        load_model(tmp_path / "ckpt.pt")
    settings = TrainSettings(method="untrained", encoder_weights=str(tmp_path / "ckpt.pt"), device="cpu")
    with pytest.raises(ValueError, match=r"`mtneuro-ssl import .*ckpt\.pt -o FOLDER`"):
        untrained(settings)
