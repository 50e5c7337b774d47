"""Random changes of views beyond crops, flips and turns: magnified, sharpened, inverted, mixed and erased.

Each takes images or subvolumes of one size, draws for each on the CPU, and computes on their device.
"""

import torch
from jaxtyping import Bool, Float32, Real
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

_SMALLEST_BOX, _LARGEST_BOX = 0.02, 0.33
"""Part of a view that a box takes, at least and at most."""


def zoomed(
    pixels: Real[Tensor, "batch *size"], *, largest: float, generator: torch.Generator
) -> Float32[Tensor, "batch *size"]:
    """Return each view magnified by up to ``largest``, about a point of its own, and interpolated linearly.

    The logarithm of the magnification is uniform; all axes have the same. Nothing beyond a view is shown.
    """
    count, axes = len(pixels), pixels.ndim - 1
    drawn = torch.rand((count, 1 + axes), generator=generator)
    shown = largest ** -drawn[:, 0]
    # A view reaches from -1 to 1 along each axis.
    centre = (1 - shown)[:, None] * (2 * drawn[:, 1:] - 1)
    moves = torch.cat([shown[:, None, None] * torch.eye(axes), centre[:, :, None]], dim=2)
    grid = affine_grid(
        moves.to(pixels.device, non_blocking=True), [count, 1, *pixels.shape[1:]], align_corners=False
    )
    given = pixels[:, None].float()
    return grid_sample(given, grid, padding_mode="border", align_corners=False)[:, 0]


def sharpened(
    pixels: Real[Tensor, "batch *size"], *, largest: float, generator: torch.Generator
) -> Float32[Tensor, "batch *size"]:
    """Return each view plus up to ``largest`` times its difference from itself blurred by (1, 2, 1) / 4."""
    strength = largest * _each(torch.rand(len(pixels), generator=generator), pixels)
    blurred = pixels = pixels.float()
    for axis in range(1, pixels.ndim):
        last = pixels.shape[axis] - 1
        before = torch.cat([blurred.narrow(axis, 0, 1), blurred.narrow(axis, 0, last)], dim=axis)
        after = torch.cat([blurred.narrow(axis, 1, last), blurred.narrow(axis, last, 1)], dim=axis)
        blurred = (before + 2 * blurred + after) / 4
    return pixels + strength * (pixels - blurred)


def solarised(
    pixels: Real[Tensor, "batch *size"], *, chance: float, generator: torch.Generator
) -> Real[Tensor, "batch *size"]:
    """Return views of which some have the upper half of the scale of 0 to 255 inverted."""
    chosen = _each(torch.rand(len(pixels), generator=generator) < chance, pixels)
    return torch.where(chosen & (pixels >= 128), 255 - pixels, pixels)


def cut_mixed(
    pixels: Real[Tensor, "batch *size"], *, chance: float, generator: torch.Generator
) -> Real[Tensor, "batch *size"]:
    """Return views of which some show, in a random box, the same part of another view of the batch.

    Yun et al., "CutMix: regularization strategy to train strong classifiers", ICCV 2019; without its labels.
    """
    other = int(torch.randint(1, max(len(pixels), 2), (), generator=generator))
    inside = _boxes(pixels, chance=chance, generator=generator)
    return torch.where(inside, pixels.roll(other, dims=0), pixels)


def erased(
    pixels: Real[Tensor, "batch *size"], *, chance: float, generator: torch.Generator
) -> Float32[Tensor, "batch *size"]:
    """Return views of which some have a random box filled with the view's mean.

    Zhong et al., "Random erasing data augmentation", AAAI 2020, who fill it with noise.
    """
    pixels = pixels.float()
    mean = pixels.mean(dim=tuple(range(1, pixels.ndim)), keepdim=True)
    return torch.where(_boxes(pixels, chance=chance, generator=generator), mean, pixels)


def _each(values: Tensor, pixels: Tensor) -> Tensor:
    """Return a value for each view, on its device, in a shape that goes with all of its pixels."""
    return values.to(pixels.device, non_blocking=True).reshape(-1, *[1] * (pixels.ndim - 1))


def _boxes(
    pixels: Real[Tensor, "batch *size"], *, chance: float, generator: torch.Generator
) -> Bool[Tensor, "batch *size"]:
    """Return where a box lies in each view that has one; its sides are within a factor of 2 of each other."""
    count, size = len(pixels), pixels.shape[1:]
    chosen, share, *drawn = torch.rand((2 + 2 * len(size), count), generator=generator)
    stretch, place = torch.stack(drawn).chunk(2)
    share = _SMALLEST_BOX + (_LARGEST_BOX - _SMALLEST_BOX) * share
    sides = (share ** (1 / len(size)) * 2 ** (stretch - stretch.mean(dim=0))).clamp(max=1)
    inside = _each(chosen < chance, pixels)
    for axis, (side, start) in enumerate(zip(sides, place * (1 - sides), strict=True)):
        at = (torch.arange(size[axis], device=pixels.device) + 0.5) / size[axis]
        at = at.reshape(-1, *[1] * (len(size) - 1 - axis))
        inside = inside & (at >= _each(start, pixels)) & (at < _each(start + side, pixels))
    return inside
