"""The arrays that the package reads: whatever has a shape and a type and can be sliced."""

from typing import Any, Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class ArraySource(Protocol):
    """An array that is read by slicing: NumPy's, a Zarr array, or anything of the kind."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of an element."""
        ...

    def __getitem__(self, index: Any, /) -> Any:
        """Return a part of the array."""
        ...


@runtime_checkable
class ChunkedSource(ArraySource, Protocol):
    """An array source that is stored in chunks, and best read whole chunks at a time."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """Length of a chunk on each axis."""
        ...


def rows_at_once(source: ArraySource, *, elements: int) -> int:
    """Return how many rows of the first axis to read together: about ``elements``, in whole chunks.

    Examples
    --------
    >>> rows_at_once(np.zeros((100, 8, 8)), elements=640)
    10
    """
    row = int(np.prod(source.shape[1:]))
    rows = max(1, elements // max(1, row))
    if isinstance(source, ChunkedSource) and not isinstance(source, np.ndarray):
        chunk = max(1, source.chunks[0])
        rows = max(1, round(rows / chunk)) * chunk
    return rows
