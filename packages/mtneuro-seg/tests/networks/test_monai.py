"""MONAI's networks: thin subvolumes."""

import pytest
import torch
from mtneuro_seg import TrainSettings, build_network, network


@pytest.mark.slow
@pytest.mark.parametrize("name", ["swinunetr", "mednext"])
def test_networks_of_today_take_eight_slices(name: str):
    rule = network(name).size_rule()
    size = rule.padded((8, 32, 32))
    assert size[0] == 8
    net = build_network(TrainSettings(model=name, classes=3)).eval()
    with torch.no_grad():
        assert net(torch.zeros(1, 1, *size)).shape == (1, 3, *size)
