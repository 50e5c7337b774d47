"""HighResNet: the depth that the paper's subvolumes have."""

import torch
from mtneuro_seg import TrainSettings, build_network


def test_highresnet_works_at_depth_eight():
    net = build_network(TrainSettings(model="highresnet", classes=3)).eval()
    with torch.no_grad():
        assert net(torch.zeros(1, 1, 8, 8, 8)).shape == (1, 3, 8, 8, 8)
