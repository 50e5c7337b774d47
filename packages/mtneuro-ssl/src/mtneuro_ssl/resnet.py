"""The paper's encoders: ResNets with a small stem and one input channel, in two and in three dimensions."""

from torch import nn
from torchvision.models import resnet
from torchvision.models.video.resnet import BasicBlock, Bottleneck, Conv3DSimple, VideoResNet


def resnet18(*, latent_dim: int | None) -> nn.Module:
    """Return the paper's ResNet-18: one channel, a 3x3 stride-1 stem, no max-pool.

    Examples
    --------
    >>> import torch
    >>> resnet18(latent_dim=None)(torch.zeros(1, 1, 16, 16)).shape
    torch.Size([1, 512])
    """
    return _small_stem(resnet.resnet18(), latent_dim)


def resnet50(*, latent_dim: int | None) -> nn.Module:
    """Return a ResNet-50 with the same stem."""
    return _small_stem(resnet.resnet50(), latent_dim)


def resnet18_3d(*, latent_dim: int | None) -> nn.Module:
    """Return the same ResNet-18 in three dimensions: a 3x3x3 stride-1 stem, no max-pool, any depth.

    The last three of its four stages halve depth, height and width.

    Examples
    --------
    >>> import torch
    >>> resnet18_3d(latent_dim=None)(torch.zeros(1, 1, 8, 16, 16)).shape
    torch.Size([1, 512])
    """
    return _deep(BasicBlock, [2, 2, 2, 2], latent_dim)


def resnet50_3d(*, latent_dim: int | None) -> nn.Module:
    """Return a ResNet-50 in three dimensions with the same stem."""
    return _deep(Bottleneck, [3, 4, 6, 3], latent_dim)


def _small_stem(network: resnet.ResNet, latent_dim: int | None) -> nn.Module:
    network.conv1 = nn.Conv2d(1, 64, kernel_size=3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]  # typed as MaxPool2d
    return _projected(network, latent_dim)


def _deep(block: type[BasicBlock | Bottleneck], layers: list[int], latent_dim: int | None) -> nn.Module:
    return _projected(VideoResNet(block, [Conv3DSimple] * 4, layers, _stem_3d), latent_dim)


def _stem_3d() -> nn.Module:
    convolution = nn.Conv3d(1, 64, kernel_size=3, stride=1, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm3d(64), nn.ReLU(inplace=True))


def _projected(network: resnet.ResNet | VideoResNet, latent_dim: int | None) -> nn.Module:
    network.fc = (  # pyright: ignore[reportAttributeAccessIssue]  # typed as Linear
        nn.Identity() if latent_dim is None else nn.Linear(network.fc.in_features, latent_dim)
    )
    return network
