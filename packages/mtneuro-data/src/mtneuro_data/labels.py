"""From a database's raw labels to a task's classes."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Integer, UInt8

__all__ = ["mapped_labels", "voted_region"]

_LARGEST_LABEL = 1 << 16


def mapped_labels(
    labels: Integer[np.ndarray, "..."], label_map: Mapping[int, int], /, *, what: str = "labels"
) -> UInt8[np.ndarray, "..."]:
    """Return labels translated by a table.

    Parameters
    ----------
    labels
        Raw labels.
    label_map
        Raw label -> class, in 0 to 255.
    what
        The labels' name in a message.

    Raises
    ------
    ValueError
        If a label is not in the table.

    Examples
    --------
    >>> mapped_labels(np.array([0, 1, 2, 3]), {0: 0, 1: 1, 2: 2, 3: 0})
    array([0, 1, 2, 0], dtype=uint8)
    """
    known = sorted(label_map)
    if labels.dtype == np.uint8 and labels.size and int(labels.max()) <= known[-1] == len(known) - 1:
        # Every label up to the largest is known: only those that change need a pass of their own.
        mapped = labels.copy()
        for raw, value in label_map.items():
            if raw != value:
                np.copyto(mapped, np.uint8(value), where=labels == raw)
        return mapped
    _check_known(labels, label_map, what)
    table = np.zeros(known[-1] + 1, np.uint8)
    for raw, value in label_map.items():
        table[raw] = value
    return table[labels]


def voted_region(
    labels: Integer[np.ndarray, "..."], roi_map: Mapping[int, int], /, *, what: str = "labels"
) -> int:
    """Return the region that most of an image's voxels lie in; of equal ones the first.

    Parameters
    ----------
    labels
        Raw region-of-interest labels.
    roi_map
        Raw label -> region. Labels of one region are counted together.
    what
        The labels' name in a message.

    Raises
    ------
    ValueError
        If a label is not in the table.

    Examples
    --------
    >>> voted_region(np.array([1, 3, 4, 1, 4]), {1: 0, 3: 2, 4: 2})
    2
    """
    if labels.size and (first := int(labels.flat[0])) in roi_map and bool((labels == first).all()):
        return roi_map[first]
    _check_known(labels, roi_map, what)
    counts = np.bincount(labels.ravel().astype(np.intp), minlength=max(roi_map) + 1)
    votes = np.zeros(max(roi_map.values()) + 1, np.int64)
    for raw, region in roi_map.items():
        votes[region] += counts[raw]
    return int(votes.argmax())


def _check_known(labels: np.ndarray, table: Mapping[int, int], what: str) -> None:
    if labels.size == 0:
        return
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest >= 0 and highest < _LARGEST_LABEL:
        present = np.flatnonzero(np.bincount(labels.ravel().astype(np.intp)))
    else:
        present = np.unique(labels)
    unknown = [int(label) for label in present if int(label) not in table]
    if unknown:
        shown = ", ".join(map(str, unknown[:8])) + (", …" if len(unknown) > 8 else "")
        raise ValueError(
            f"{what} must be among {', '.join(map(str, sorted(table)))}, got the unknown labels {shown}"
        )
