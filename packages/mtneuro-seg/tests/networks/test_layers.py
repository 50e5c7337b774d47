"""Layers by name."""

import pytest
import torch
from mtneuro_seg.networks.layers import ACTIVATIONS, norm_layer


def test_every_activation_keeps_what_is_positive():
    positive = torch.rand(2, 4, 3, 3)
    for name, layer in ACTIVATIONS.items():
        torch.testing.assert_close(layer(4)(positive.clone()), positive, msg=name)


@pytest.mark.parametrize("axes", [2, 3])
def test_normalisations_differ_in_what_they_average(axes):
    values = torch.randn(3, 4, *[6] * axes)
    space = tuple(range(2, 2 + axes))
    assert torch.equal(norm_layer("none", axes, 4)(values), values)
    torch.testing.assert_close(norm_layer("batch", axes, 4)(values).mean((0, *space)), torch.zeros(4))
    torch.testing.assert_close(norm_layer("instance", axes, 4)(values).mean(space), torch.zeros(3, 4))
    grouped = norm_layer("group2", axes, 4)(values).unflatten(1, (2, 2))
    torch.testing.assert_close(grouped.flatten(2).mean(-1), torch.zeros(3, 2))
