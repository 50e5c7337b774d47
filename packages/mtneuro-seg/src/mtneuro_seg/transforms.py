"""Random changes of images together with their masks, by MONAI: turned, stretched, bent, varied in intensity.

What moves an image moves its mask alike: intensities are interpolated, labels taken from the nearest pixel.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Real, UInt8
from torch import Tensor

from mtneuro_seg.settings import TransformSettings

_BOTH = {"keys": ("image", "mask"), "mode": ("bilinear", "nearest"), "padding_mode": "reflection"}
"""For what moves pixels; what comes in from beyond an edge is a mirror image."""

_CELLS = 4
"""Cells along each axis of the grid that is distorted."""


def transformed(
    images: Real[Tensor, "batch *size"],
    masks: UInt8[Tensor, "batch *size"],
    settings: TransformSettings,
    *,
    seed: int,
) -> tuple[Float32[Tensor, "batch *size"], UInt8[Tensor, "batch *size"]]:
    """Return each image and its mask, changed at random as the settings say.

    Parameters
    ----------
    images, masks
        Images on the scale of 0 to 255, and their labels. The intensities that come back are not clipped.
    settings
        What is changed, and by how much.
    seed
        All that is drawn follows from it.

    Examples
    --------
    >>> image = torch.zeros((1, 8, 8), dtype=torch.uint8)
    >>> moved, mask = transformed(image, image, TransformSettings(rotation=10), seed=1)
    >>> moved.shape, mask.dtype
    (torch.Size([1, 8, 8]), torch.uint8)
    """
    changes = _changes(settings, tuple(images.shape[1:]))
    changes.set_random_state(seed=seed)
    pairs = [
        changes({"image": image[None].float(), "mask": mask[None]})
        for image, mask in zip(images, masks, strict=True)
    ]
    # MONAI's tensors carry metadata, which is of no use here.
    moved, labels = (
        torch.cat([pair[key].as_subclass(Tensor) for pair in pairs]) for key in ("image", "mask")
    )
    return moved, labels.to(masks.dtype)


def _changes(settings: TransformSettings, size: tuple[int, ...]) -> Any:
    """Return the changes that the settings ask for, as one."""
    # MONAI takes seconds to import.
    from monai import transforms as monai

    chance: dict[str, Any] = {"prob": settings.chance}
    image: dict[str, Any] = {"keys": "image", **chance}
    both: dict[str, Any] = {**_BOTH, **chance}
    changes: list[Any] = []
    if settings.rotation or settings.zoom > 1 or settings.shift:
        angle = float(np.radians(settings.rotation))
        still = (0.0,) * (len(size) - 2)  # along z nothing is moved
        # A coordinate is multiplied by 1 plus what is drawn.
        stretch = (1 / settings.zoom - 1, settings.zoom - 1)
        changes.append(
            monai.RandAffined(
                rotate_range=(angle, *still, *still),
                scale_range=(*still, stretch, stretch),
                translate_range=(*still, *(settings.shift * side for side in size[-2:])),
                **both,
            )
        )
    if settings.distortion:
        limit = (-settings.distortion, settings.distortion)
        changes.append(monai.RandGridDistortiond(num_cells=_CELLS, distort_limit=limit, **both))
    if settings.brightness:
        changes.append(monai.RandShiftIntensityd(offsets=255 * settings.brightness, **image))
    if settings.contrast:
        changes.append(monai.RandScaleIntensityFixedMeand(factors=settings.contrast, **image))
    if settings.gamma > 1:
        changes.append(monai.RandAdjustContrastd(gamma=(1 / settings.gamma, settings.gamma), **image))
    if settings.noise:
        changes.append(monai.RandGaussianNoised(std=255 * settings.noise, **image))
    return monai.Compose(changes)
