"""Types of what training and embedding take: images, subvolumes, vectors, and a callback for progress."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Real

Samples = Real[np.ndarray, "n y x"] | Real[np.ndarray, "n z y x"] | Float32[np.ndarray, "n inputs"]
"""Images or subvolumes of any type, or vectors."""

Progress = Callable[[int, int], None]
"""Called with the amount that is done, and the whole amount."""


@runtime_checkable
class Volume(Protocol):
    """A volume whose slices are read on demand: an array, or anything that is sliced like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Slices, height and width; or subvolumes, their slices, height and width."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a voxel."""
        ...

    def __getitem__(self, key: Any, /) -> Any:
        """Return some of the voxels."""
        ...
