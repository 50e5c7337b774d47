"""The plain U-Net of Ronneberger et al. (2015), and its form in 3D (Cicek et al., 2016)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mtneuro_seg.networks.blocks import Convolution3d, joined
from mtneuro_seg.networks.layers import ACTIVATIONS, norm_layer
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
    activation
        ``relu``, ``leaky_relu``, ``elu`` or ``prelu``.
    norm
        ``batch``, ``instance``, ``group8`` (any number of groups that divides the filters) or ``none``.
    padding
        ``same`` pads every convolution with zeros. ``valid`` pads none: the image is mirrored at its borders,
        as Ronneberger et al. describe, so that the scores have its size; any size will do then.
    upsampling
        ``transposed`` convolution, or ``nearest`` or ``linear`` interpolation and a convolution of one pixel.

    Examples
    --------
    >>> net = PlainUNet(axes=2, classes=3, filters=4, levels=2)
    >>> net(torch.zeros(1, 1, 8, 8)).shape
    torch.Size([1, 3, 8, 8])
    """

    def __init__(
        self,
        *,
        axes: int,
        classes: int,
        filters: int = 32,
        levels: int = 4,
        activation: str = "relu",
        norm: str = "batch",
        padding: str = "same",
        upsampling: str = "transposed",
    ) -> None:
        super().__init__()
        widths = [filters * 2**level for level in range(levels)]
        layers = _Layers(axes, activation, norm, padding, upsampling)
        self.valid = padding == "valid"
        self.down = nn.ModuleList(
            layers.convolutions(before, after)
            for before, after in zip([1, *widths[:-1]], widths, strict=True)
        )
        self.pool = nn.MaxPool2d(2) if axes == 2 else nn.MaxPool3d(2)
        self.widen = nn.ModuleList(layers.widening(width) for width in reversed(widths[1:]))
        self.up = nn.ModuleList(layers.convolutions(width, width // 2) for width in reversed(widths[1:]))
        self.head = layers.conv(widths[0], classes, 1)
        self.apply(_xavier)

    def forward(self, images: Float[Tensor, "batch 1 *size"]) -> Float[Tensor, "batch classes *size"]:
        """Return the class scores (logits) of every pixel."""
        size = images.shape[2:]
        features, skips = (_mirrored(images, len(self.down)) if self.valid else images), []
        for level in self.down:
            if skips:
                features = self.pool(features)
            features = level(features)
            skips.append(features)
        for widen, level, skip in zip(self.widen, self.up, reversed(skips[:-1]), strict=True):
            wide = widen(features)
            features = level(joined(wide, _cropped(skip, wide.shape[2:]) if self.valid else skip))
        scores = self.head(features)
        return _cropped(scores, size) if self.valid else scores


class _Layers:
    """Makes the layers of a U-Net.

    Parameters
    ----------
    axes, activation, norm, padding, upsampling
        As in `PlainUNet`.
    """

    def __init__(self, axes: int, activation: str, norm: str, padding: str, upsampling: str) -> None:
        self.axes, self.norm, self.padding, self.upsampling = axes, norm, padding, upsampling
        self.active = ACTIVATIONS[activation]

    def conv(self, before: int, after: int, size: int) -> nn.Module:
        """Return one convolution."""
        kind = nn.Conv2d if self.axes == 2 else Convolution3d
        return kind(before, after, size, padding=size // 2 if self.padding == "same" else 0)

    def convolutions(self, before: int, after: int) -> nn.Sequential:
        """Return two rounds of convolution, activation and normalisation."""
        layers: list[nn.Module] = []
        for width in (before, after):
            layers += [self.conv(width, after, 3), *self._finish(after)]
        return nn.Sequential(*layers)

    def widening(self, width: int) -> nn.Sequential:
        """Return the step that doubles the image and halves the filters."""
        half = width // 2
        if self.upsampling == "transposed":
            kind = nn.ConvTranspose2d if self.axes == 2 else nn.ConvTranspose3d
            return nn.Sequential(kind(width, half, 2, stride=2), *self._finish(half))
        mode = {"nearest": "nearest", "linear": "bilinear" if self.axes == 2 else "trilinear"}[
            self.upsampling
        ]
        return nn.Sequential(
            nn.Upsample(scale_factor=2, mode=mode), self.conv(width, half, 1), *self._finish(half)
        )

    def _finish(self, width: int) -> tuple[nn.Module, nn.Module]:
        return self.active(width), norm_layer(self.norm, self.axes, width)


def _mirrored(images: Float[Tensor, "..."], levels: int) -> Float[Tensor, "..."]:
    """Return images mirrored at their borders until what valid convolutions leave has their size."""
    for axis in range(2, images.ndim):
        n = images.shape[axis]
        lacking = _input_size(n, levels) - n
        before = lacking // 2
        places = torch.arange(-before, n + lacking - before, device=images.device)
        # A mirror at each border, any number of times: the places run up and down.
        period = max(2 * (n - 1), 1)
        folded = places % period
        images = images.index_select(axis, torch.minimum(folded, period - folded).clamp(max=n - 1))
    return images


def _input_size(size: int, levels: int) -> int:
    """Return the smallest input along an axis whose output has at least ``size`` pixels.

    Examples
    --------
    >>> _input_size(388, 5)
    572
    """
    deepest = size
    for _ in range(levels - 1):
        deepest = -(-(deepest + 4) // 2)
    whole = deepest + 4
    for _ in range(levels - 1):
        whole = 2 * whole + 4
    return whole


def _cropped(features: Float[Tensor, "..."], size: torch.Size) -> Float[Tensor, "..."]:
    """Return the middle of feature maps."""
    for axis, (have, want) in enumerate(zip(features.shape[2:], size, strict=True), 2):
        features = features.narrow(axis, (have - want) // 2, want)
    return features


def _xavier(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def unet(settings: TrainSettings) -> PlainUNet:
    """Return the plain 2D U-Net."""
    return _plain(settings, axes=2)


def unet3d(settings: TrainSettings) -> PlainUNet:
    """Return the plain 3D U-Net."""
    return _plain(settings, axes=3)


def _plain(settings: TrainSettings, *, axes: int) -> PlainUNet:
    return PlainUNet(
        axes=axes,
        classes=settings.classes,
        filters=settings.filters,
        levels=settings.levels,
        activation=settings.activation or "relu",
        norm=settings.norm,
        padding=settings.padding,
        upsampling=settings.upsampling,
    )
