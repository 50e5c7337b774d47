"""Random flips and quarter turns of images together with their masks."""

import numpy as np
import torch
from jaxtyping import Real, UInt8
from torch import Tensor


def augmented(
    images: Real[Tensor, "batch *size"],
    masks: UInt8[Tensor, "batch *size"],
    *,
    generator: np.random.Generator,
) -> tuple[Real[Tensor, "batch *size"], UInt8[Tensor, "batch *size"]]:
    """Return each image and its mask, flipped along y and x at random and turned if it is square.

    Subvolumes are turned about z, and not flipped along it.

    Examples
    --------
    >>> image = torch.arange(4, dtype=torch.uint8).reshape(1, 2, 2)
    >>> turned, same = augmented(image, image, generator=np.random.default_rng(0))
    >>> bool((turned == same).all()), sorted(turned.flatten().tolist())
    (True, [0, 1, 2, 3])
    """
    square = images.shape[-1] == images.shape[-2]
    draws = generator.integers(2, size=(len(images), 3)).astype(bool)
    moved = [
        tuple(_moved(each, flip_y, flip_x, bool(swap and square)) for each in pair)
        for pair, (flip_y, flip_x, swap) in zip(zip(images, masks, strict=True), draws.tolist(), strict=True)
    ]
    return torch.stack([image for image, _ in moved]), torch.stack([mask for _, mask in moved])


def _moved(image: Real[Tensor, "..."], flip_y: bool, flip_x: bool, swap: bool) -> Real[Tensor, "..."]:
    """Return one of the eight positions of a square: two flips, and the exchange of y and x."""
    flipped = image.flip([axis for axis, wanted in ((-2, flip_y), (-1, flip_x)) if wanted])
    return flipped.transpose(-1, -2) if swap else flipped
