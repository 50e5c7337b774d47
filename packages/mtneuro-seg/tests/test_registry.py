"""Every network of the registry: its entry, and one step forward and back."""

import pytest
import torch
from mtneuro_seg import Network, TrainSettings, build_network, model_names, network, register

SMALL_ENCODER = {"encoder_name": "resnet18", "encoder_weights": None}


def small(name: str, classes: int = 3) -> TrainSettings:
    extra = SMALL_ENCODER if network(name).encoder else {"filters": 4, "levels": 3}
    return TrainSettings.model_validate({"model": name, "classes": classes, **extra})


def step(settings: TrainSettings) -> None:
    rule = settings.size_rule
    size = rule.padded((8, 16, 16)[-settings.network.axes :])
    net = build_network(settings).train()
    logits = net(torch.randn(2, 1, *size, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (2, settings.classes, *size)
    logits.square().mean().backward()
    # The library builds encoders whole, and leaves out of the pass what a decoder does not read.
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("name", ["unet", "pspnet", "unet3d", "vnetlight"])
def test_one_network_a_family_learns_a_step(name: str):
    step(small(name))


@pytest.mark.slow
@pytest.mark.parametrize("classes", [3, 4])
@pytest.mark.parametrize("name", model_names())
def test_every_network_learns_a_step(name: str, classes: int):
    step(small(name, classes))


def test_every_network_names_its_paper():
    for name in model_names():
        assert network(name).paper
        assert network(name).name == name


def test_a_name_is_registered_once():
    again = Network(
        name="unet",
        title="x",
        axes=2,
        family="x",
        paper="x",
        factory="mtneuro_seg.networks.unet:unet",
        multiple=1,
    )
    with pytest.raises(ValueError, match="registered already"):
        register(again)
