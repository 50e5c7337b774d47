"""Fit a model to images of another pixel size and brightness than those that it was trained on."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from mtneuro_seg._shared.pixels import as_pixels
from mtneuro_seg._shared.volume_file import LazyArray
from mtneuro_seg.model import Model

_NEAR = 0.05
"""Part by which a pixel's size may differ before images are resampled."""

_SLICES = 9
"""Slices of a volume whose median is taken for that of the whole."""


def fitted(
    model: Model,
    volume: LazyArray,
    *,
    voxel_size_um: Sequence[float] | None,
    each_image: bool = False,
) -> Model:
    """Return a model that takes a volume as it is, for prediction.

    Its network resamples each image to the pixel size that it was trained on, and its class scores back to
    the image's, bilinearly; and it scales grey levels in proportion, so that the median is that of its
    training.

    Parameters
    ----------
    model
        A model. One without `Model.input` is returned as it is.
    volume
        Volume ``(z, y, x)``, or images ``(n, y, x)``, of the type that the model takes.
    voxel_size_um
        Size of a voxel ``(z, y, x)``, or of a pixel ``(y, x)``, in micrometres.
    each_image
        Take the median of each image by itself, as unrelated images need it. By default it is that of nine
        slices at even distances; voxels of 0 are left out, which are outside of the tissue.

    Raises
    ------
    ValueError
        If the voxel size is not known or beyond what the model takes, or the volume is black.

    Examples
    --------
    >>> model = from_pretrained("phantom-unet")  # doctest: +SKIP
    >>> labels = swept_labels(fitted(model, volume, voxel_size_um=(1, 0.65, 0.65)), volume)  # doctest: +SKIP
    """
    takes = model.input
    if takes is None:
        return model
    low, high = takes.range_um
    asked = f"pixels of {low:g} to {high:g} um, which are resampled to {takes.pixel_size_um:g} um"
    if voxel_size_um is None:
        raise ValueError(f"the model takes {asked}, and no voxel size is stated: give --voxel-size-um Z Y X")
    size = tuple(voxel_size_um)[-2:]
    if not all(low <= one <= high for one in size):
        raise ValueError(f"the model takes {asked}, got pixels of {size[0]:g} x {size[1]:g} um")
    settings = model.settings
    network = FittedNetwork(
        model.network,
        scale=(size[0] / takes.pixel_size_um, size[1] / takes.pixel_size_um),
        multiple=settings.size_rule.multiple[-1],
        level=takes.median / 255,
        median=None if each_image else _median(as_pixels(volume, settings)) / 255,
        mean=settings.mean,
        sd=settings.sd,
    )
    return replace(model, network=network.eval(), input=None)


def _median(volume: LazyArray) -> float:
    """Return the median of the voxels of some slices that are not 0."""
    places = np.unique(np.linspace(0, volume.shape[0] - 1, _SLICES).round().astype(int))
    seen = np.concatenate([np.asarray(volume[place : place + 1]).ravel() for place in places.tolist()])
    lit = seen[seen > 0]
    if not lit.size:
        raise ValueError(f"a volume must hold voxels above 0, got none in {len(places)} of its slices")
    return float(np.median(lit))


class FittedNetwork(nn.Module):
    """A 2D network between two resamplings, behind a scaling of grey levels.

    Parameters
    ----------
    network
        Takes images ``(batch, 1, y, x)``, normalised, of sizes that are a multiple of a number.
    scale
        By how much ``(y, x)`` images are enlarged for it.
    multiple
        What the axes of its images must be multiples of.
    level
        Part of white that the median is brought to.
    median
        Median of the volume as a part of white; ``None`` takes that of each image.
    mean, sd
        What images are normalised by.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        scale: tuple[float, float],
        multiple: int,
        level: float,
        median: float | None,
        mean: float,
        sd: float,
    ) -> None:
        super().__init__()
        self.network = network
        self.multiple, self.level, self.mean, self.sd = multiple, level, mean, sd
        # Buffers are part of what names the weights, so that an unfinished prediction by others is refused.
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))
        self.register_buffer("median", torch.tensor(median or torch.nan, dtype=torch.float64))

    def forward(self, images: Float[Tensor, "batch 1 y x"]) -> Float[Tensor, "batch classes y x"]:
        """Return class scores in the size of the images."""
        size = images.shape[-2:]
        inner = self.inner_size(size)
        levelled = self._levelled(images)
        if inner == tuple(size):
            return self.network(levelled)
        resampled = interpolate(levelled, inner, mode="bilinear", antialias=True)
        return interpolate(self.network(resampled), size, mode="bilinear")

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

    def _levelled(self, images: Float[Tensor, "batch 1 y x"]) -> Float[Tensor, "batch 1 y x"]:
        levels = images * self.sd + self.mean
        median = float(self.median)
        if median == median:
            levels = levels * (self.level / median)
        else:
            # Less than half a grey level is black.
            medians = [image[image > 0.5 / 255].median().nan_to_num(1.0) for image in levels]
            levels = levels * (self.level / torch.stack(medians))[:, None, None, None]
        return (levels.clamp(0, 1) - self.mean) / self.sd
