"""HighResNet, built by MONAI."""

from torch import nn

from mtneuro_seg.settings import TrainSettings


def highresnet(settings: TrainSettings) -> nn.Module:
    """Return MONAI's HighResNet, which keeps full resolution throughout (Li et al., 2017)."""
    from monai.networks.nets import HighResNet

    return HighResNet(spatial_dims=3, in_channels=1, out_channels=settings.classes)
