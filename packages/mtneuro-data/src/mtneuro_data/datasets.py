"""Map-style datasets over arrays for PyTorch's DataLoader; PyTorch itself is not needed."""

import operator
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex

import numpy as np
from jaxtyping import Integer

from mtneuro_data.arrays import TaskArrays

Target = Literal["mask", "region"]
"""What each image is returned with."""


class _Dataset:
    """Images by position, one or several at once, alone or with a target."""

    axes = ""
    n_axes = 0

    def __init__(self, arrays: TaskArrays, *, target: Target | None = None) -> None:
        if arrays.images.ndim != self.n_axes:
            raise ValueError(
                f"{type(self).__name__} takes images {self.axes}, got the shape {arrays.images.shape}"
            )
        if target not in (None, "mask", "region"):
            raise ValueError(f'target must be "mask", "region" or None, got {target!r}')
        if target == "mask" and arrays.masks is None:
            raise ValueError('target "mask" needs a task with masks; this one is a task of regions')
        self.arrays = arrays
        self.target: Target | None = target

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, index: SupportsIndex | Sequence[int] | Integer[np.ndarray, " n"], /) -> Any:
        try:
            at = operator.index(index)  # pyright: ignore[reportArgumentType]  # several have none
        except TypeError:
            at = self._positions(index)
        else:
            self._check(at)
        image = self.arrays.images[at]
        if self.target is None:
            return image
        if self.target == "region" or self.arrays.masks is None:
            return image, np.int64(self.arrays.region[at])
        return image, self.arrays.masks[at]

    def _positions(self, several: Any) -> Integer[np.ndarray, " n"]:
        at = np.asarray(several)
        if at.ndim != 1 or at.dtype.kind not in "iu":
            raise TypeError(f"an index must be a whole number, or a list of them, got {several!r}")
        for edge in (at.min(), at.max()):
            self._check(int(edge))
        return at

    def _check(self, at: int) -> None:
        if not 0 <= at < len(self):
            # Also ends a for loop over the dataset.
            raise IndexError(f"index must lie within [0, {len(self)}), got {at}")


class SliceDataset(_Dataset):
    """Images ``(y, x)``, alone or with a target.

    A list of positions gives as many at once, ``(n, y, x)``, which is the faster way to make batches::

        batches = BatchSampler(RandomSampler(dataset), 64, drop_last=False)
        loader = DataLoader(dataset, batch_size=None, sampler=batches)

    Parameters
    ----------
    arrays
        What `mtneuro_data.load` returned.
    target
        ``"mask"``, ``"region"``, or ``None`` for the image alone.

    Raises
    ------
    ValueError
        If the arrays hold subvolumes, or lack the target.

    Examples
    --------
    >>> arrays = TaskArrays(
    ...     images=np.zeros((2, 4, 4), np.uint8), region=np.array([2, 0]), masks=None,
    ...     sample_id=np.array(["A-VP/z110", "A-CTX/z110"]), region_names=("CTX", "STR", "VP", "ZI"),
    ...     class_names=(), voxel_size_um=(1.17, 1.17, 1.17), fingerprint="0" * 16)
    >>> image, region = SliceDataset(arrays, target="region")[0]
    >>> image.shape, int(region)
    ((4, 4), 2)
    >>> images, regions = SliceDataset(arrays, target="region")[[1, 0]]
    >>> images.shape, regions.tolist()
    ((2, 4, 4), [0, 2])
    """

    axes = "(n, y, x)"
    n_axes = 3


class SubvolumeDataset(_Dataset):
    """Subvolumes ``(z, y, x)``, alone or with a target; otherwise as `SliceDataset`."""

    axes = "(n, z, y, x)"
    n_axes = 4
