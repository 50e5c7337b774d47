"""Name values, arrays and files by their content: SHA-256, shortened where a person reads it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

_SHOWN = 16
"""Hexadecimal digits that name a value: 64 bits."""

_BLOCK_BYTES = 16 << 20


def digest(value: Any, /) -> str:
    """Return 16 hexadecimal digits that name a JSON value.

    Examples
    --------
    >>> digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_SHOWN]


def array_digest(array: Any, /) -> str:
    """Return 16 hexadecimal digits that name an array's voxels, shape and type; it is read piece by piece.

    Parameters
    ----------
    array
        A NumPy array, or what slices along its first axis like one.

    Examples
    --------
    >>> array_digest(np.zeros(4, np.uint8)) == array_digest(np.zeros((2, 2), np.uint8))
    False
    """
    hasher = hashlib.sha256(f"{tuple(array.shape)} {array.dtype}".encode())
    rows = array.shape[0] if array.shape else 0
    row_bytes = max(1, int(np.prod(array.shape[1:])) * array.dtype.itemsize)
    step = max(1, _BLOCK_BYTES // row_bytes)
    for first in range(0, rows, step):
        hasher.update(np.ascontiguousarray(array[first : first + step]).data)
    if not array.shape:
        hasher.update(np.asarray(array).tobytes())
    return hasher.hexdigest()[:_SHOWN]


def file_digest(path: Path, /) -> str:
    """Return the whole SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
