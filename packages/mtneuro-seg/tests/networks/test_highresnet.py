"""HighResNet: the parameters of the paper's form, how its blocks are joined, and the depth that both take."""

import pytest
import torch
from mtneuro_seg import HighResNet3D, TrainSettings, build_network


@pytest.mark.parametrize("model", ["highresnet3d", "highresnet"])
def test_both_forms_work_at_depth_eight(model):
    net = build_network(TrainSettings(model=model, classes=3)).eval()
    with torch.no_grad():
        assert net(torch.zeros(1, 1, 8, 8, 8)).shape == (1, 3, 8, 8, 8)


def test_the_papers_form_has_the_parameters_that_were_counted_in_the_original():
    assert sum(p.numel() for p in HighResNet3D(classes=4).parameters()) == 809_876


def test_each_block_takes_the_sum_of_the_two_outputs_before_it():
    net = HighResNet3D(classes=2).eval()
    x = torch.rand(1, 1, 4, 6, 6)

    def padded(skip: torch.Tensor) -> torch.Tensor:
        zeros = torch.zeros_like(skip)[:, : skip.shape[1] // 2]
        return torch.cat((zeros, skip, zeros), dim=1)

    with torch.no_grad():
        b1, b2, b3, d1, d2, d3, e1, e2, e3 = net.blocks
        x0 = net.stem(x)
        s = net.stem_skip(x0)
        a = b1(x0)
        b = b2(a + s)
        c = b3(b + a)
        d = d1(c + b)
        e = d2(d + padded(c))
        f = d3(e + d)
        g = e1(f + e)
        h = e2(g + padded(f))
        i = e3(h + g)
        torch.testing.assert_close(net(x), net.head(i + h))
