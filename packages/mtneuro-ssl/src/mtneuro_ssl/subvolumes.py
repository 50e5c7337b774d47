"""Subvolumes of a volume: runs of consecutive slices, read when they are sliced."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped

from mtneuro_ssl._shared.sample_ids import consecutive_runs, why_apart
from mtneuro_ssl.types import Volume


class Subvolumes:
    """Some slices of a volume, grouped into subvolumes; they are read where this is sliced.

    Parameters
    ----------
    volume
        Slices ``(z, y, x)``.
    rows
        Positions of the slices of each subvolume.

    Examples
    --------
    >>> pairs = Subvolumes(np.arange(8).reshape(4, 1, 2), np.array([[0, 1], [2, 3]]))
    >>> pairs.shape, pairs[1, :, 0].tolist()
    ((2, 2, 1, 2), [[4, 5], [6, 7]])
    """

    def __init__(self, volume: Volume, rows: Int64[np.ndarray, "n z"]) -> None:
        self._volume = volume
        self._rows = rows
        self.shape: tuple[int, ...] = (*rows.shape, *volume.shape[1:])
        self.dtype: np.dtype[Any] = np.dtype(volume.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any, /) -> Any:
        first, *inside = key if isinstance(key, tuple) else (key,)
        rows = self._rows[first]
        if rows.ndim == 1:
            found = slices_at(self._volume, rows)
        else:
            found = np.empty((*rows.shape, *self.shape[2:]), self.dtype)
            for place, each in enumerate(rows):
                found[place] = slices_at(self._volume, each)
        return found[(*[slice(None)] * (rows.ndim - 1), *inside)] if inside else found


def slices_at(
    volume: Volume, rows: Int64[np.ndarray, " z"], inside: tuple[slice, ...] = ()
) -> Shaped[np.ndarray, "z y x"]:
    """Return some slices of a volume, at one go where they follow one another.

    Parameters
    ----------
    volume
        Slices ``(z, y, x)``.
    rows
        Positions of the slices.
    inside
        The part of each slice that is read; all of it by default.
    """
    if (np.diff(rows) == 1).all():
        return np.asarray(volume[(slice(int(rows[0]), int(rows[-1]) + 1), *inside)])
    return np.stack([np.asarray(volume[(int(row), *inside)]) for row in rows])


def subvolume_rows(sample_id: Sequence[str] | np.ndarray, *, depth: int) -> Int64[np.ndarray, "n z"]:
    """Return the positions of the slices of each subvolume of ``depth`` consecutive slices of a cube.

    They do not overlap, nor cross a cube's end or a gap; slices that are left over there belong to none.

    Raises
    ------
    ValueError
        If a slice is named twice, or no cube has so many consecutive slices.

    Examples
    --------
    >>> subvolume_rows(["A/z1", "A/z2", "A/z3", "B/z9", "B/z8"], depth=2).tolist()
    [[0, 1], [4, 3]]
    """
    runs = consecutive_runs(sample_id)
    found = [run[: len(run) // depth * depth].reshape(-1, depth) for run in runs]
    rows = np.concatenate(found)
    if not len(rows):
        reason = why_apart(sample_id)
        raise ValueError(
            f"subvolumes of depth={depth} need as many consecutive slices, got runs of "
            f"{max(map(len, runs))} at most" + (f", where {reason}" if reason else "")
        )
    return rows
