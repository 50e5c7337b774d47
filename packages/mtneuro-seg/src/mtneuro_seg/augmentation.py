"""Random windows, flips and quarter turns of images together with their masks."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Integer, Real, UInt8
from torch import Tensor


def cropped(
    images: Real[Tensor, "batch *size"],
    masks: Integer[Tensor, "batch *size"],
    window: Sequence[int],
    *,
    generator: np.random.Generator,
) -> tuple[Real[Tensor, "batch *window"], Integer[Tensor, "batch *window"]]:
    """Return a window of each image, and the same of its mask, at a place drawn for each.

    Parameters
    ----------
    images, masks
        At least as large as the window.
    window
        Its size, ``(y, x)`` or ``(z, y, x)``.
    generator
        All places are as likely.

    Examples
    --------
    >>> image = torch.arange(6).reshape(1, 2, 3)
    >>> window, same = cropped(image, image, (2, 2), generator=np.random.default_rng(0))
    >>> window.tolist(), bool((window == same).all())
    ([[[1, 2], [4, 5]]], True)
    """
    most = np.subtract(images.shape[1:], window) + 1
    corners = generator.integers(most, size=(len(images), len(window))).tolist()
    places = [
        (number, *(slice(low, low + length) for low, length in zip(corner, window, strict=True)))
        for number, corner in enumerate(corners)
    ]
    return torch.stack([images[place] for place in places]), torch.stack([masks[place] for place in places])


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
