"""Bring images to the pixel size and the brightness that a 2D network was trained on."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, PositiveFloat
from torch import Tensor, nn
from torch.nn.functional import interpolate

from .settings import Settings

_NEAR = 0.05
"""Part by which a pixel's size may differ before images are resampled."""

_SLICES = 9
"""Slices of a volume whose median is taken for that of the whole."""


class InputSettings(Settings):
    """What images a 2D network takes, where it was made for those of any microscope.

    Examples
    --------
    >>> InputSettings(pixel_size_um=1.17).range_um
    (0.5, 2.0)
    """

    pixel_size_um: PositiveFloat
    """Size of a pixel of the images that it was trained on; others are resampled to it."""

    range_um: tuple[PositiveFloat, PositiveFloat] = (0.5, 2.0)
    """Smallest and largest pixel of the images that may be given to it."""

    median: Annotated[int, Field(ge=1, le=255)] = 128
    """Grey level that the median of the images is brought to, in proportion from 0."""

    @property
    def told(self) -> str:
        """What images the network itself takes, in words, for programs that do not fit them.

        Examples
        --------
        >>> InputSettings(pixel_size_um=1.17).told
        'pixels of 1.17 um, grey levels in proportion so that the median is 128 of 255'
        """
        levels = f"grey levels in proportion so that the median is {self.median} of 255"
        return f"pixels of {self.pixel_size_um:g} um, {levels}"

    def scale(self, voxel_size_um: Sequence[float] | None) -> tuple[float, float]:
        """Return by how much images of a voxel size ``(z, y, x)`` or ``(y, x)`` are enlarged along y and x.

        Raises
        ------
        ValueError
            If the voxel size is not known, or beyond what the model takes.
        """
        low, high = self.range_um
        asked = f"pixels of {low:g} to {high:g} um, which are resampled to {self.pixel_size_um:g} um"
        if voxel_size_um is None:
            raise ValueError(
                f"the model takes {asked}, and no voxel size is stated: give --voxel-size-um Z Y X"
            )
        y, x = tuple(voxel_size_um)[-2:]
        if not all(low <= one <= high for one in (y, x)):
            raise ValueError(f"the model takes {asked}, got pixels of {y:g} x {x:g} um")
        return y / self.pixel_size_um, x / self.pixel_size_um


def volume_median(volume: Any) -> float:
    """Return the median of the voxels above 0 of nine slices of a volume at even distances.

    Raises
    ------
    ValueError
        If there are none.
    """
    places = np.unique(np.linspace(0, volume.shape[0] - 1, _SLICES).round().astype(int))
    seen = np.concatenate([np.asarray(volume[place : place + 1]).ravel() for place in places.tolist()])
    lit = seen[seen > 0]
    if not lit.size:
        raise ValueError(f"a volume must hold voxels above 0, got none in {len(places)} of its slices")
    return float(np.median(lit))


class FittedInput(nn.Module):
    """Scale the grey levels of normalised images in proportion, and resample them.

    Parameters
    ----------
    scale
        By how much ``(y, x)`` images are enlarged.
    multiple
        What the axes of the result must be multiples of.
    level
        Part of white that the median is brought to.
    median
        Median of the volume as a part of white; ``None`` takes that of each image, of what is not black.
    mean, sd
        What images are normalised by.
    """

    scale: Tensor
    median: Tensor

    def __init__(
        self,
        *,
        scale: tuple[float, float],
        multiple: int,
        level: float,
        median: float | None,
        mean: float,
        sd: float,
    ) -> None:
        super().__init__()
        self.multiple, self.level, self.mean, self.sd = multiple, level, mean, sd
        # Buffers are part of what names the weights, so that an unfinished prediction by others is refused.
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))
        self.register_buffer("median", torch.tensor(median or torch.nan, dtype=torch.float64))

    def forward(self, images: Float[Tensor, "batch 1 y x"]) -> Float[Tensor, "batch 1 rows columns"]:
        """Return the images as the network takes them."""
        levels = images * self.sd + self.mean
        median = float(self.median)
        if median == median:
            levels = levels * (self.level / median)
        else:
            # Less than half a grey level is black.
            medians = [image[image > 0.5 / 255].median().nan_to_num(1.0) for image in levels]
            levels = levels * (self.level / torch.stack(medians))[:, None, None, None]
        fitted = (levels.clamp(0, 1) - self.mean) / self.sd
        inner = self.inner_size(images.shape[-2:])
        if inner == tuple(images.shape[-2:]):
            return fitted
        return interpolate(fitted, inner, mode="bilinear", antialias=True)

    def inner_size(self, size: Sequence[int]) -> tuple[int, int]:
        """Return the size in which the network sees images of a size: the nearest that it takes."""
        if all(abs(one - 1) <= _NEAR for one in self.scale.tolist()) and not any(
            length % self.multiple for length in size
        ):
            return size[0], size[1]
        y, x = (
            self.multiple * max(1, round(length * one / self.multiple))
            for length, one in zip(size, self.scale.tolist(), strict=True)
        )
        return y, x
