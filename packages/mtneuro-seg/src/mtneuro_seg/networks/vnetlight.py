"""VNetLight: the V-Net of Milletari et al. (2016) with one level less, so that eight slices suffice."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mtneuro_seg.networks.layers import ACTIVATIONS, Activation
from mtneuro_seg.settings import TrainSettings


class VNetLight(nn.Module):
    """A residual encoder and decoder of 5x5x5 convolutions.

    Three halvings to 32, 64 and 128 filters with 1, 2 and 3 residual convolutions; three doublings back, each
    joined with the encoder's output of its size, on which whole channels are dropped at random.

    Parameters
    ----------
    classes
        Channels of the output.
    activation
        ``prelu``, as in the paper's Table 2, which adds 1696 learned slopes and one a class, or ``elu``.

    Notes
    -----
    Every axis must be a multiple of 8.

    Examples
    --------
    >>> net = VNetLight(classes=4).eval()
    >>> with torch.no_grad():
    ...     net(torch.zeros(1, 1, 8, 8, 8)).shape
    torch.Size([1, 4, 8, 8, 8])
    """

    def __init__(self, *, classes: int, activation: str = "prelu") -> None:
        super().__init__()
        active = ACTIVATIONS[activation]
        self.stem = nn.Sequential(nn.Conv3d(1, 16, 5, padding=2), nn.BatchNorm3d(16))
        self.active = active(16)
        self.down32 = _Down(16, active, convolutions=1)
        self.down64 = _Down(32, active, convolutions=2)
        self.down128 = _Down(64, active, convolutions=3, dropout=True)
        self.up128 = _Up(128, 128, active, convolutions=2, dropout=True)
        self.up64 = _Up(128, 64, active, convolutions=1)
        self.up32 = _Up(64, 32, active, convolutions=1)
        self.head = nn.Sequential(
            nn.Conv3d(32, classes, 5, padding=2),
            nn.BatchNorm3d(classes),
            active(classes),
            nn.Conv3d(classes, classes, 1),
        )

    def forward(self, images: Float[Tensor, "batch 1 z y x"]) -> Float[Tensor, "batch classes z y x"]:
        """Return the class scores (logits) of every voxel."""
        # The input, repeated, is added to each of the stem's 16 channels.
        level16 = self.active(self.stem(images) + images)
        level32 = self.down32(level16)
        level64 = self.down64(level32)
        features = self.up128(self.down128(level64), level64)
        return self.head(self.up32(self.up64(features, level32), level16))


class _Down(nn.Module):
    """Halve the volume, double the channels, and add residual convolutions."""

    def __init__(
        self, channels: int, active: Activation, *, convolutions: int, dropout: bool = False
    ) -> None:
        super().__init__()
        width = 2 * channels
        self.halve = nn.Sequential(
            nn.Conv3d(channels, width, 2, stride=2), nn.BatchNorm3d(width), active(width)
        )
        self.drop = nn.Dropout3d() if dropout else nn.Identity()
        self.residual = _residual(width, active, convolutions)
        self.active = active(width)

    def forward(self, features: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        halved = self.halve(features)
        return self.active(self.residual(self.drop(halved)) + halved)


class _Up(nn.Module):
    """Double the volume to half of ``width`` channels, join the skip, and add residual convolutions."""

    def __init__(
        self, channels: int, width: int, active: Activation, *, convolutions: int, dropout: bool = False
    ) -> None:
        super().__init__()
        self.drop = nn.Dropout3d() if dropout else nn.Identity()
        self.drop_skip = nn.Dropout3d()
        self.widen = nn.Sequential(
            nn.ConvTranspose3d(channels, width // 2, 2, stride=2),
            nn.BatchNorm3d(width // 2),
            active(width // 2),
        )
        self.residual = _residual(width, active, convolutions)
        self.active = active(width)

    def forward(self, features: Float[Tensor, "..."], skip: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        joined = torch.cat((self.widen(self.drop(features)), self.drop_skip(skip)), dim=1)
        return self.active(self.residual(joined) + joined)


def _residual(width: int, active: Activation, convolutions: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(convolutions):
        layers += [nn.Conv3d(width, width, 5, padding=2), nn.BatchNorm3d(width), active(width)]
    return nn.Sequential(*layers)


def vnetlight(settings: TrainSettings) -> VNetLight:
    """Return the network that the settings describe."""
    return VNetLight(classes=settings.classes, activation=settings.activation or "prelu")
