"""The plain U-Net: its parameters, counted by hand."""

import numpy as np
import pytest
import torch
from mtneuro_seg import PlainUNet


def conv(before: int, after: int, taps: int) -> int:
    return before * after * taps + after


def test_the_plain_unet_has_the_parameters_of_its_description():
    # Two levels of 4 and 8 filters: each 3x3 convolution is followed by a batch normalisation (2 a channel).
    down = conv(1, 4, 9) + 8 + conv(4, 4, 9) + 8 + conv(4, 8, 9) + 16 + conv(8, 8, 9) + 16
    up = conv(8, 4, 4) + 8 + conv(8, 4, 9) + 8 + conv(4, 4, 9) + 8
    net = PlainUNet(axes=2, classes=3, filters=4, levels=2)
    assert sum(p.numel() for p in net.parameters()) == down + up + conv(4, 3, 1)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("upsampling", ["transposed", "nearest", "linear"])
def test_scores_have_the_size_of_the_image(axes, padding, upsampling):
    net = PlainUNet(axes=axes, classes=3, filters=4, levels=3, padding=padding, upsampling=upsampling).eval()
    size = (8, 12, 16)[-axes:]
    with torch.no_grad():
        assert net(torch.rand(2, 1, *size)).shape == (2, 3, *size)


def test_valid_convolutions_see_a_mirrored_border_and_nothing_else():
    torch.manual_seed(0)
    net = PlainUNet(axes=2, classes=2, filters=4, levels=2, padding="valid").eval()
    image = torch.rand(1, 1, 9, 14)
    # What Ronneberger et al. do by hand: a wide mirrored image, of whose scores the middle is taken.
    wide = torch.from_numpy(np.pad(image.numpy(), ((0, 0), (0, 0), (40, 40), (40, 40)), mode="reflect"))
    with torch.no_grad():
        torch.testing.assert_close(net(image), net(wide)[..., 40:-40, 40:-40], rtol=1e-4, atol=1e-5)


def test_activations_and_normalisations_are_those_asked_for():
    net = PlainUNet(axes=3, classes=2, filters=8, levels=2, activation="prelu", norm="group4")
    kinds = [type(module) for module in net.modules()]
    assert kinds.count(torch.nn.PReLU) == kinds.count(torch.nn.GroupNorm) == 7
    assert torch.nn.ReLU not in kinds
    assert torch.nn.BatchNorm3d not in kinds
