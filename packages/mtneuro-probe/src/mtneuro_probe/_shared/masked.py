"""Refuse masked arrays, whose masks NumPy drops without a word."""

import numpy as np


def check_unmasked(array: object, name: str, *, fill: str = "a value") -> None:
    """Raise ``ValueError`` where an array hides some of its values behind a mask.

    Examples
    --------
    >>> check_unmasked(np.ma.masked_less([1, 2], 2), "images")
    Traceback (most recent call last):
    ...
    ValueError: images must not be masked, got 1 of 2 masked; give them a value first: images.filled(...)
    """
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        hidden = int(np.ma.count_masked(array))
        raise ValueError(
            f"{name} must not be masked, got {hidden} of {array.size} masked; give them {fill} first: "
            f"{name.split()[-1]}.filled(...)"
        )
