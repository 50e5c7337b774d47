"""Draw images, what a masked autoencoder sees of them, and what it makes of that."""

import numpy as np
from jaxtyping import UInt8

from mtneuro_ssl.reconstruction import Reconstruction

_GAP = 4
_SIDE = 128
"""Least height of an image in the picture: smaller ones are magnified."""

_HIDDEN = 128


def reconstruction_sheet(found: Reconstruction) -> UInt8[np.ndarray, "rows columns"]:
    """Return a picture with a row for each image: the image, it with hidden patches grey, these predicted.

    Images that leave the scale of 0 to 255, or fill less than a tenth of it, are drawn from their darkest to
    their brightest. Of subvolumes, the middle slices are drawn.

    Examples
    --------
    >>> black = np.zeros((1, 64, 64), np.float32)
    >>> found = Reconstruction(images=black, hidden=black > 0, predicted=black, lent=False)
    >>> reconstruction_sheet(found).shape
    (128, 392)
    """
    images, hidden, predicted = (
        part if part.ndim == 3 else part[:, part.shape[1] // 2]
        for part in (found.images, found.hidden, found.predicted)
    )
    low, high = float(images.min()), float(images.max())
    if low >= 0 and high <= 255 and high - low >= 25.5:
        low, high = 0.0, 255.0
    drawn, filled = (
        np.rint((part - low) * (255 / max(high - low, 1e-6))).clip(0, 255).astype(np.uint8)
        for part in (images, predicted)
    )
    masked = np.where(hidden, np.uint8(_HIDDEN), drawn)
    times = max(_SIDE // images.shape[1], 1)
    height, width = times * images.shape[1], times * images.shape[2]
    sheet = np.full((len(images) * (height + _GAP) - _GAP, 3 * (width + _GAP) - _GAP), 255, np.uint8)
    for column, pictures in enumerate((drawn, masked, filled)):
        for row, picture in enumerate(pictures):
            top, left = row * (height + _GAP), column * (width + _GAP)
            shown = picture.repeat(times, axis=0).repeat(times, axis=1)
            sheet[top : top + height, left : left + width] = shown
    return sheet
