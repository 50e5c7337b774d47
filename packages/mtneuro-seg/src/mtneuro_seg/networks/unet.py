"""The plain U-Net of Ronneberger et al. (2015), and its form in 3D (Cicek et al., 2016)."""

from jaxtyping import Float
from torch import Tensor, nn

from mtneuro_seg.networks.blocks import joined
from mtneuro_seg.settings import TrainSettings


class PlainUNet(nn.Module):
    """An encoder and a decoder of convolutions, joined level by level.

    As the benchmark's published settings describe it: convolution, ReLU, batch normalisation, twice a level;
    max-pooling down, transposed convolution up, and Xavier weights. Each level but the last halves the image
    and doubles the filters.

    Parameters
    ----------
    axes
        2 for images, 3 for volumes.
    classes
        Channels of the output.
    filters
        Filters of the first level.
    levels
        Levels; images must be multiples of ``2 ** (levels - 1)`` along every axis.

    Examples
    --------
    >>> import torch
    >>> net = PlainUNet(axes=2, classes=3, filters=4, levels=2)
    >>> net(torch.zeros(1, 1, 8, 8)).shape
    torch.Size([1, 3, 8, 8])
    """

    def __init__(self, *, axes: int, classes: int, filters: int = 32, levels: int = 4) -> None:
        super().__init__()
        widths = [filters * 2**level for level in range(levels)]
        self.down = nn.ModuleList(
            _convolutions(axes, before, after)
            for before, after in zip([1, *widths[:-1]], widths, strict=True)
        )
        self.pool = nn.MaxPool2d(2) if axes == 2 else nn.MaxPool3d(2)
        self.widen = nn.ModuleList(_widening(axes, width) for width in reversed(widths[1:]))
        self.up = nn.ModuleList(_convolutions(axes, width, width // 2) for width in reversed(widths[1:]))
        self.head = _conv(axes, widths[0], classes, 1)
        self.apply(_xavier)

    def forward(self, images: Float[Tensor, "batch 1 *size"]) -> Float[Tensor, "batch classes *size"]:
        """Return the class scores (logits) of every pixel."""
        features, skips = images, []
        for level in self.down:
            if skips:
                features = self.pool(features)
            features = level(features)
            skips.append(features)
        for widen, level, skip in zip(self.widen, self.up, reversed(skips[:-1]), strict=True):
            features = level(joined(widen(features), skip))
        return self.head(features)


def _conv(axes: int, before: int, after: int, size: int) -> nn.Module:
    kind = nn.Conv2d if axes == 2 else nn.Conv3d
    return kind(before, after, size, padding=size // 2)


def _norm(axes: int, width: int) -> nn.Module:
    return nn.BatchNorm2d(width) if axes == 2 else nn.BatchNorm3d(width)


def _convolutions(axes: int, before: int, after: int) -> nn.Sequential:
    """Return two rounds of convolution, ReLU and batch normalisation."""
    layers: list[nn.Module] = []
    for width in (before, after):
        layers += [_conv(axes, width, after, 3), nn.ReLU(inplace=True), _norm(axes, after)]
    return nn.Sequential(*layers)


def _widening(axes: int, width: int) -> nn.Sequential:
    """Return the step that doubles the image and halves the filters."""
    kind = nn.ConvTranspose2d if axes == 2 else nn.ConvTranspose3d
    return nn.Sequential(kind(width, width // 2, 2, stride=2), nn.ReLU(inplace=True), _norm(axes, width // 2))


def _xavier(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def unet(settings: TrainSettings) -> PlainUNet:
    """Return the plain 2D U-Net."""
    return PlainUNet(axes=2, classes=settings.classes, filters=settings.filters, levels=settings.levels)


def unet3d(settings: TrainSettings) -> PlainUNet:
    """Return the plain 3D U-Net."""
    return PlainUNet(axes=3, classes=settings.classes, filters=settings.filters, levels=settings.levels)
