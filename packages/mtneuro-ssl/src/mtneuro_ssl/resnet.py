"""The paper's encoders: ResNets with a small stem and one input channel."""

from torch import nn
from torchvision.models import resnet


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


def _small_stem(network: resnet.ResNet, latent_dim: int | None) -> nn.Module:
    network.conv1 = nn.Conv2d(1, 64, kernel_size=3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]  # typed as MaxPool2d
    network.fc = (  # pyright: ignore[reportAttributeAccessIssue]  # typed as Linear
        nn.Identity() if latent_dim is None else nn.Linear(network.fc.in_features, latent_dim)
    )
    return network
