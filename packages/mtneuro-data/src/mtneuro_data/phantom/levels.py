"""Coarser levels: area means of grey levels and majorities of labels, over blocks of voxels."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64, UInt8


def _block_sums(voxels: Int64[np.ndarray, "z y x"], factor: Sequence[int]) -> Int64[np.ndarray, "bz by bx"]:
    """Return sums over blocks; the last block of an axis may be short."""
    for axis, step in enumerate(factor):
        voxels = np.add.reduceat(voxels, np.arange(0, int(voxels.shape[axis]), step), axis=axis)
    return voxels


def block_means(image: UInt8[np.ndarray, "z y x"], factor: Sequence[int]) -> UInt8[np.ndarray, "bz by bx"]:
    """Return the mean of each block of voxels, rounded, halves to the even number.

    Examples
    --------
    >>> block_means(np.array([[[1, 2, 9], [3, 4, 10]]], dtype=np.uint8), (1, 2, 2))
    array([[[ 2, 10]]], dtype=uint8)
    """
    count = _block_sums(np.ones(image.shape, dtype=np.int64), factor)
    return np.rint(_block_sums(image.astype(np.int64), factor) / count).astype(np.uint8)


def block_majorities(
    labels: UInt8[np.ndarray, "z y x"], factor: Sequence[int]
) -> UInt8[np.ndarray, "bz by bx"]:
    """Return the most frequent label of each block of voxels; of equals, the smallest.

    Examples
    --------
    >>> block_majorities(np.array([[[3, 1, 2], [1, 3, 2]]], dtype=np.uint8), (1, 2, 2))
    array([[[1, 2]]], dtype=uint8)
    """
    present = np.unique(labels)
    counts = np.stack([_block_sums((labels == label).astype(np.int64), factor) for label in present])
    return present[np.argmax(counts, axis=0)]
