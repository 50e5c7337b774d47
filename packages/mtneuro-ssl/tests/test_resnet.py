from typing import Any

import pytest
import torch
from mtneuro_ssl.resnet import resnet18, resnet18_3d, resnet50, resnet50_3d


def test_the_papers_encoder_has_its_size():
    encoder = resnet18(latent_dim=None)
    # ResNet-18 without its classifier, and with a 3x3 stem of one channel in place of a 7x7 one of three.
    assert sum(p.numel() for p in encoder.parameters()) == 11_176_512 - 64 * 3 * 49 + 64 * 9
    assert encoder.conv1.stride == (1, 1)


def test_the_encoder_of_subvolumes_is_the_same_network_in_three_dimensions():
    encoder: Any = resnet18_3d(latent_dim=None)
    weights = {name: tuple(p.shape[2:]) for name, p in encoder.named_parameters() if p.ndim == 5}
    assert set(weights.values()) == {(3, 3, 3), (1, 1, 1)}
    stages = [(64, 64, 0)] + [(a, 2 * a, 1) for a in (64, 128, 256)]
    # A stage: four 3x3x3 convolutions, a 1x1x1 one beside them where it halves, and two numbers a norm.
    expected = 27 * 64 + 2 * 64
    for inputs, outputs, halves in stages:
        expected += 27 * outputs * (inputs + 3 * outputs) + 4 * 2 * outputs
        expected += halves * (inputs * outputs + 2 * outputs)
    assert sum(p.numel() for p in encoder.parameters()) == expected
    assert not any("pool" in type(module).__name__.lower() for module in encoder.stem.modules())


def test_only_the_last_three_stages_halve_a_subvolume():
    encoder: Any = resnet18_3d(latent_dim=None).eval()
    sizes: list[tuple[int, ...]] = []
    for part in (encoder.stem, encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4):
        part.register_forward_hook(lambda _, __, out: sizes.append(tuple(out.shape[1:])))
    with torch.no_grad():
        encoder(torch.zeros(1, 1, 8, 16, 24))
    assert sizes == [(64, 8, 16, 24), (64, 8, 16, 24), (128, 4, 8, 12), (256, 2, 4, 6), (512, 1, 2, 3)]


@pytest.mark.parametrize(("make", "own"), [(resnet18_3d, 512), (resnet50_3d, 2048)])
def test_subvolumes_of_any_depth_have_as_many_features(make, own):
    for depth in (1, 3, 8):
        subvolume = torch.zeros(1, 1, depth, 8, 8)
        assert make(latent_dim=None).eval()(subvolume).shape == (1, own)
    assert make(latent_dim=7).eval()(subvolume).shape == (1, 7)


@pytest.mark.parametrize(("make", "own"), [(resnet18, 512), (resnet50, 2048)])
def test_features_are_the_networks_own_or_as_many_as_asked_for(make, own):
    image = torch.zeros(1, 1, 16, 16)
    assert make(latent_dim=None).eval()(image).shape == (1, own)
    assert make(latent_dim=7).eval()(image).shape == (1, 7)
