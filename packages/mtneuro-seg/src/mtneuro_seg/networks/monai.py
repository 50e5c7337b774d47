"""SwinUNETR and MedNeXt, built by MONAI."""

from torch import nn

from mtneuro_seg.networks.blocks import DepthPadded
from mtneuro_seg.settings import TrainSettings


def swinunetr(settings: TrainSettings) -> nn.Module:
    """Return MONAI's SwinUNETR (Hatamizadeh et al., 2022), its depth padded to a multiple of 32."""
    from monai.networks.nets import SwinUNETR

    built = SwinUNETR(in_channels=1, out_channels=settings.classes, feature_size=24, spatial_dims=3)
    return DepthPadded(built, multiple=32)


def mednext(settings: TrainSettings) -> nn.Module:
    """Return MONAI's small MedNeXt (Roy et al., 2023), its depth padded to a multiple of 16."""
    from monai.networks.nets import MedNeXtS

    built = MedNeXtS(spatial_dims=3, in_channels=1, out_channels=settings.classes)
    return DepthPadded(built, multiple=16)
