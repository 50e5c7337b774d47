import pytest
import torch
from mtneuro_ssl.resnet import resnet18, resnet50


def test_the_papers_encoder_has_its_size():
    encoder = resnet18(latent_dim=None)
    # ResNet-18 without its classifier, and with a 3x3 stem of one channel in place of a 7x7 one of three.
    assert sum(p.numel() for p in encoder.parameters()) == 11_176_512 - 64 * 3 * 49 + 64 * 9
    assert encoder.conv1.stride == (1, 1)


@pytest.mark.parametrize(("make", "own"), [(resnet18, 512), (resnet50, 2048)])
def test_features_are_the_networks_own_or_as_many_as_asked_for(make, own):
    image = torch.zeros(1, 1, 16, 16)
    assert make(latent_dim=None).eval()(image).shape == (1, own)
    assert make(latent_dim=7).eval()(image).shape == (1, 7)
