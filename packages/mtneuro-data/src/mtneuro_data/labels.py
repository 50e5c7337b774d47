"""Translate a database's raw labels into a task's classes and regions."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Integer, UInt8

_LARGEST_LABEL = 1 << 16
_PIECE = 1 << 18


def mapped_labels(
    labels: Integer[np.ndarray, "*shape"],
    label_map: Mapping[int, int],
    /,
    *,
    what: str = "labels",
    out: UInt8[np.ndarray, "*shape"] | None = None,
) -> UInt8[np.ndarray, "*shape"]:
    """Return labels translated by a table.

    Parameters
    ----------
    labels
        Raw labels.
    label_map
        Raw label -> class, in 0 to 255.
    what
        The labels' name in a message.
    out
        A contiguous array to write them to; it may be ``labels`` itself.

    Raises
    ------
    ValueError
        If a label is not in the table; ``out`` is untouched then.

    Examples
    --------
    >>> mapped_labels(np.array([0, 1, 2, 3]), {0: 0, 1: 1, 2: 2, 3: 0})
    array([0, 1, 2, 0], dtype=uint8)
    """
    known = sorted(label_map)
    mapped = np.empty(labels.shape, np.uint8) if out is None else out
    flat = labels.flags.c_contiguous and mapped.flags.c_contiguous
    if labels.dtype == np.uint8 and flat and int(labels.max(initial=0)) <= known[-1] == len(known) - 1 < 256:
        _translate(labels, label_map, mapped)
        return mapped
    _check_known(labels, label_map, what)
    table = np.zeros(known[-1] + 1, np.uint8)
    for raw, value in label_map.items():
        table[raw] = value
    mapped[...] = table[labels]
    return mapped


def _translate(labels: np.ndarray, label_map: Mapping[int, int], mapped: np.ndarray) -> None:
    """Translate labels if the table covers every value up to the largest.

    A processor adds many bytes at once but looks them up in a table one by one. So each label that changes is
    found by comparison and the difference added, in pieces that stay in the processor's cache.
    """
    changes = [
        (np.uint8(raw), np.uint8((value - raw) % 256)) for raw, value in label_map.items() if raw != value
    ]
    source, target = labels.reshape(-1), mapped.reshape(-1)
    if labels is not mapped:
        np.copyto(target, source)
    for start in range(0, source.size if changes else 0, _PIECE):
        here = slice(start, start + _PIECE)
        change = sum((source[here] == raw).view(np.uint8) * by for raw, by in changes)
        target[here] += change


def voted_region(
    labels: Integer[np.ndarray, "..."], roi_map: Mapping[int, int], /, *, what: str = "labels"
) -> int:
    """Return the region that most of an image's voxels lie in; on a tie, the first.

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
