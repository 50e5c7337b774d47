"""Arrays that are stored in chunks, and how much of an array to read at once."""

from typing import Protocol, runtime_checkable

import numpy as np

from mtneuro_probe._shared.volume_file import LazyArray


@runtime_checkable
class ChunkedSource(LazyArray, Protocol):
    """An array that is stored in chunks, and best read whole chunks at a time."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """Length of a chunk on each axis."""
        ...


def rows_at_once(source: LazyArray, *, elements: int) -> int:
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
