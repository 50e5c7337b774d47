"""Read what runs wrote: arrays, samples and result files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Real, Shaped
from mtneuro_data import TaskArrays, downsampled_images
from PIL import Image

View = Literal["whole", "corners"]
"""What Task 3 calls a sample: an image, or one of its corners."""

Resampling = Literal["area", "hamming"]
"""How images are reduced: by the mean of each block, or by Pillow's Hamming filter as the original does."""

_SLICES = 256
"""Slices that are embedded at a time."""


def joined_arrays(folders: Sequence[Path]) -> TaskArrays:
    """Return the arrays that ``arrays`` runs wrote, joined in order."""
    return TaskArrays.joined([TaskArrays.read(folder / "arrays.npz") for folder in folders])


def labelled_arrays(folders: Sequence[Path]) -> tuple[TaskArrays, Shaped[np.ndarray, "..."]]:
    """Return arrays and their masks.

    Raises
    ------
    ValueError
        If there are no masks.
    """
    data = joined_arrays(folders)
    if data.masks is None:
        raise ValueError("pixel labels are needed, and the task names no annotation")
    return data, data.masks


def at_a_time(images: Real[np.ndarray, "n *zyx"]) -> int:
    """Return how many samples are embedded at a time: as many slices, whatever their depth.

    Examples
    --------
    >>> at_a_time(np.zeros((9, 4, 4))), at_a_time(np.zeros((9, 8, 4, 4)))
    (256, 32)
    """
    return max(1, _SLICES // depth_of(images))


def depth_of(images: Real[np.ndarray, "n *zyx"]) -> int:
    """Return the slices of each image: 1, or those of a subvolume.

    Examples
    --------
    >>> depth_of(np.zeros((9, 4, 4))), depth_of(np.zeros((9, 8, 4, 4)))
    (1, 8)
    """
    return 1 if images.ndim == 3 else images.shape[1]


def samples(folders: Sequence[Path], view: View) -> TaskArrays:
    """Return the arrays of Task 3's samples."""
    data = joined_arrays(folders)
    return data.corners() if view == "corners" else data


def reduced(
    images: Real[np.ndarray, "n *z y x"], factor: int, resampling: Resampling
) -> Real[np.ndarray, "n *z v u"]:
    """Return images reduced along rows and columns, in their own type.

    Examples
    --------
    >>> edge = np.repeat([[0, 0, 0, 0, 200, 200, 200, 200]], 8, axis=0).astype(np.uint8)[None]
    >>> reduced(edge, 2, "area")[0, 0].tolist(), reduced(edge, 2, "hamming")[0, 0].tolist()
    ([0, 0, 200, 200], [0, 8, 192, 200])
    """
    if resampling == "area" or factor == 1:
        return downsampled_images(images, factor)
    *_, y, x = images.shape
    faces = images.reshape(-1, y, x)
    small = [
        Image.fromarray(face).resize((x // factor, y // factor), Image.Resampling.HAMMING) for face in faces
    ]
    return np.stack([np.asarray(face) for face in small]).reshape(*images.shape[:-2], *small[0].size[::-1])


def result(folder: Path) -> dict[str, Any]:
    """Return the result file of a finished run."""
    return json.loads((folder / "result.json").read_text("utf-8"))
