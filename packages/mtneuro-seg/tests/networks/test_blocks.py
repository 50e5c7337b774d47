"""Feature maps joined: the values and gradients of a concatenation, and a gradient without gaps."""

import pytest
import torch
from mtneuro_seg.networks.blocks import joined


@pytest.mark.parametrize("size", [(5, 4), (3, 5, 4)])
def test_values_and_gradients_are_those_of_a_concatenation(size):
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, 3, *size), (2, 4, *size))
    one, other = (torch.randn(shape, generator=generator, requires_grad=True) for shape in shapes)
    weights = torch.randn(2, 7, *size, generator=generator)
    found = torch.autograd.grad((joined(one, other) * weights).sum(), (one, other))
    expected = torch.autograd.grad((torch.cat((one, other), dim=1) * weights).sum(), (one, other))
    assert torch.equal(joined(one, other), torch.cat((one, other), dim=1))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_of_the_features_is_dense_in_the_layout_of_the_images(layout):
    one, other = (torch.randn(2, 3, 5, 4).contiguous(memory_format=layout) for _ in range(2))
    seen: list[torch.Tensor] = []
    one.requires_grad_().register_hook(seen.append)
    weights = torch.randn(2, 6, 5, 4).contiguous(memory_format=layout)
    (joined(one, other) * weights).sum().backward()
    assert seen[0].is_contiguous(memory_format=layout)
