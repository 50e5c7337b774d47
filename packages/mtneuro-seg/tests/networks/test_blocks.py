"""Feature maps joined and subvolumes convolved: values and gradients are torch's own."""

import pytest
import torch
from mtneuro_seg.networks.blocks import Convolution3d, joined
from torch import nn


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


@pytest.mark.parametrize(
    ("size", "padding", "dilation", "shape"),
    [
        (3, 1, 1, (4, 8, 6)),
        (3, 1, 1, (4, 7, 6)),
        (3, 4, 4, (4, 9, 6)),
        (3, 0, 1, (5, 8, 6)),
        (3, 0, 1, (3, 3, 3)),
        (1, 0, 1, (4, 8, 6)),
    ],
)
def test_a_convolution_of_one_subvolume_is_torchs(size, padding, dilation, shape):
    torch.manual_seed(0)
    ours = Convolution3d(3, 5, size, padding=padding, dilation=dilation)
    plain = nn.Conv3d(3, 5, size, padding=padding, dilation=dilation)
    plain.load_state_dict(ours.state_dict())
    images = torch.randn(1, 3, *shape, requires_grad=True)
    weights = torch.randn_like(plain(images))
    found, expected = ours(images), plain(images)
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad((found * weights).sum(), (images, *ours.parameters())),
        torch.autograd.grad((expected * weights).sum(), (images, *plain.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
def test_a_single_subvolume_is_convolved_as_two_by_onednn():
    def kernels(convolution: nn.Module) -> set[str]:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
            convolution(torch.zeros(1, 8, 8, 32, 32))
        return {event.key for event in seen.key_averages()}

    assert "aten::mkldnn_convolution" in kernels(Convolution3d(8, 8, 3, padding=1))
