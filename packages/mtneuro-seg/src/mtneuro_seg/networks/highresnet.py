"""HighResNet (Li et al., 2017) in two forms: the one of the benchmark's Table 2, and MONAI's."""

from jaxtyping import Float
from torch import Tensor, nn

from mtneuro_seg.networks.blocks import Convolution3d
from mtneuro_seg.settings import TrainSettings


class HighResNet3D(nn.Module):
    """A network of dilated convolutions that keeps full resolution throughout.

    Nine blocks of two 3x3x3 convolutions: three of 16 channels, three of 32 at dilation 2, three of 64 at
    dilation 4. Each takes the sum of the two outputs before it. This is the form of the MedicalZoo library,
    with which the benchmark's Table 2 was made; its skips are not cumulative, as those of MONAI's form are.

    Parameters
    ----------
    classes
        Channels of the output.

    Examples
    --------
    >>> import torch
    >>> net = HighResNet3D(classes=4).eval()
    >>> with torch.no_grad():
    ...     net(torch.zeros(1, 1, 8, 8, 8)).shape
    torch.Size([1, 4, 8, 8, 8])
    """

    def __init__(self, *, classes: int) -> None:
        super().__init__()
        self.stem = Convolution3d(1, 16, 3, padding=1)
        self.stem_skip = nn.Sequential(nn.BatchNorm3d(16), nn.ReLU())
        self.blocks = nn.ModuleList(
            _block(before, after, dilation)
            for before, after, dilation in (
                (16, 16, 1), (16, 16, 1), (16, 16, 1),
                (16, 32, 2), (32, 32, 2), (32, 32, 2),
                (32, 64, 4), (64, 64, 4), (64, 64, 4),
            )
        )  # fmt: skip
        self.head = nn.Sequential(
            nn.Conv3d(64, 80, 1),
            nn.Dropout3d(),
            nn.BatchNorm3d(80),
            nn.ReLU(inplace=True),
            nn.Conv3d(80, classes, 1),
        )

    def forward(self, images: Float[Tensor, "batch 1 z y x"]) -> Float[Tensor, "batch classes z y x"]:
        """Return the class scores (logits) of every voxel."""
        stem = self.stem(images)
        features, skip = self.blocks[0](stem), self.stem_skip(stem)
        for block in self.blocks[1:]:
            features, skip = block(features + _widened(skip, features.shape[1])), features
        return self.head(features + skip)


def _block(before: int, after: int, dilation: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (before, after):
        layers += [
            nn.BatchNorm3d(width),
            nn.ReLU(),
            Convolution3d(width, after, 3, padding=dilation, dilation=dilation),
        ]
    return nn.Sequential(*layers)


def _widened(skip: Float[Tensor, "..."], width: int) -> Float[Tensor, "..."]:
    """Return a skip with channels of zeros before and behind its own, half of them each."""
    lacking = (width - skip.shape[1]) // 2
    return nn.functional.pad(skip, (0, 0, 0, 0, 0, 0, lacking, lacking)) if lacking else skip


def highresnet3d(settings: TrainSettings) -> HighResNet3D:
    """Return the HighResNet of the benchmark's Table 2."""
    return HighResNet3D(classes=settings.classes)


def highresnet(settings: TrainSettings) -> nn.Module:
    """Return MONAI's HighResNet."""
    from monai.networks.nets import HighResNet

    return HighResNet(spatial_dims=3, in_channels=1, out_channels=settings.classes)
