"""Translate a database's raw labels into a task's classes and regions."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Integer, UInt8

from mtneuro_data._shared.words import unknown_name

EVERY_OTHER = "*"
"""In a table of labels: every label that it does not name, except 0."""

BOUNDARIES: Mapping[str, int] = MappingProxyType({"boundary": 2, "boundary_3d": 3})
"""In a table of labels: boundaries of those labels, by the number of axes that neighbours may lie along."""

WORDS = (EVERY_OTHER, *BOUNDARIES)
"""What a table of labels may name beside whole numbers."""

Table = Mapping[Any, int]
"""A class for each raw label, and for each of `WORDS`."""

_LARGEST_INDEX = 1 << 16
_PIECE = 1 << 18
_LISTED = 20


def mapped_labels(
    labels: Integer[np.ndarray, "*shape"],
    label_map: Table,
    /,
    *,
    what: str = "labels",
    out: UInt8[np.ndarray, "*shape"] | None = None,
) -> UInt8[np.ndarray, "*shape"]:
    """Return labels translated by a table.

    Parameters
    ----------
    labels
        Raw labels, or ids of instances: whole numbers of any type and size.
    label_map
        Raw label -> class, in 0 to 255. Besides labels it may name

        - ``"*"``: every other label. 0 stays class 0 unless it is named.
        - ``"boundary"``: each pixel of an instance (any label that is neither named nor 0) that shares an
          edge with a pixel of another label, within its slice: scikit-image's ``find_boundaries(slice,
          mode="inner", connectivity=1)``. Labels that are not named are class 0 unless there is a ``"*"``.
        - ``"boundary_3d"``: the same in the volume, where a neighbour may lie in the slice before or after.
    what
        The labels' name in a message.
    out
        A contiguous array to write them to; it may be ``labels`` itself.

    Raises
    ------
    ValueError
        If a label is not in the table, or is negative and not named there; ``out`` is untouched then.

    Notes
    -----
    Memory depends on the number of voxels, never on the largest label.

    Examples
    --------
    >>> mapped_labels(np.array([0, 1, 2, 3]), {0: 0, 1: 1, 2: 2, 3: 0})
    array([0, 1, 2, 0], dtype=uint8)
    >>> mapped_labels(np.array([0, 7, 1 << 60]), {"*": 1})
    array([0, 1, 1], dtype=uint8)
    >>> mapped_labels(np.array([[0, 7, 7, 7, 9, 9]]), {"*": 1, "boundary": 2})
    array([[0, 2, 1, 2, 2, 1]], dtype=uint8)
    """
    check_words(label_map)
    named = {raw: value for raw, value in label_map.items() if isinstance(raw, int)}
    mapped = np.empty(labels.shape, np.uint8) if out is None else out
    if len(named) == len(label_map) and labels.dtype == np.uint8:
        flat = labels.flags.c_contiguous and mapped.flags.c_contiguous
        highest = max(named, default=-1)
        if flat and int(labels.max(initial=0)) <= highest == len(named) - 1 < 256 and min(named) == 0:
            _translate(labels, named, mapped)
            return mapped
    classes = _classes(labels, label_map, what, np.uint8)
    for word, axes in BOUNDARIES.items():
        if word in label_map:
            instances = _classes(labels, {**dict.fromkeys(named, 0), EVERY_OTHER: 1}, what, np.uint8)
            edges = instance_boundaries(labels, axes=axes) & instances.view(np.bool_)
            classes[edges] = label_map[word]
    mapped[...] = classes
    return mapped


def instance_boundaries(labels: Integer[np.ndarray, "*shape"], *, axes: int) -> Bool[np.ndarray, "*shape"]:
    """Return where a voxel has a neighbour of another label, on either side of the boundary.

    Parameters
    ----------
    labels
        Raw labels; the voxels at the array's own edge have no neighbour beyond it.
    axes
        Number of axes, from the last, that neighbours lie along: 2 in a slice, 3 in a volume.

    Examples
    --------
    >>> instance_boundaries(np.array([[5, 5, 9, 9, 9]]), axes=2)
    array([[False,  True,  True, False, False]])
    """
    found = np.zeros(labels.shape, np.bool_)
    for axis in range(max(0, labels.ndim - axes), labels.ndim):
        along, there = np.moveaxis(labels, axis, 0), np.moveaxis(found, axis, 0)
        differs = along[1:] != along[:-1]
        there[1:] |= differs
        there[:-1] |= differs
    return found


def check_words(table: Table, /, *, what: str = "label_map") -> None:
    """Raise ``ValueError`` where a table names something that is neither a whole number nor a known word."""
    for raw in table:
        if isinstance(raw, str) and raw not in WORDS:
            raise ValueError(unknown_name(f"what {what} names beside whole numbers", raw, WORDS))


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
    labels: Integer[np.ndarray, "..."],
    roi_map: Table,
    /,
    *,
    by: Literal["region", "label"] = "region",
    what: str = "labels",
) -> int:
    """Return the region that most of an image's voxels lie in; on a tie, the first.

    Parameters
    ----------
    labels
        Raw region-of-interest labels.
    roi_map
        Raw label -> region; ``"*"`` names every other label.
    by
        Whether labels of one region are counted together, or each label alone, and the most frequent one is
        mapped; on a tie, the lowest.
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
    >>> voted_region(np.array([1, 3, 4, 1, 4]), {1: 0, 3: 2, 4: 2}, by="label")
    0
    """
    if by == "label":
        present, counts = np.unique(labels, return_counts=True)
        regions = _classes(present, roi_map, what, np.intp)
        return int(regions[counts.argmax()])
    if labels.size and (first := int(labels.flat[0])) in roi_map and bool((labels == first).all()):
        return roi_map[first]
    if labels.size and labels.min() >= 0 and labels.max() < _LARGEST_INDEX:
        # Counted first, so that only the few labels that are there are translated.
        counts = np.bincount(labels.reshape(-1).astype(np.intp, copy=False))
        present = np.flatnonzero(counts)
        regions = _classes(present, roi_map, what, np.intp)
        return int(np.bincount(regions, weights=counts[present]).argmax())
    return int(np.bincount(_classes(labels, roi_map, what, np.intp).reshape(-1)).argmax())


def _classes(labels: np.ndarray, table: Table, what: str, dtype: type[np.integer]) -> np.ndarray:
    """Return labels translated by a table, boundaries apart."""
    if labels.size == 0:
        return np.empty(labels.shape, dtype)
    known = {raw: value for raw, value in table.items() if isinstance(raw, int)}
    complete = len(known) < len(table)
    others = table.get(EVERY_OTHER, 0)
    if complete:
        known.setdefault(0, 0)
    lowest, highest = int(labels.min()), int(labels.max())
    # Only what may occur: other labels need not fit into the array's type.
    near = sorted(raw for raw in known if lowest <= raw <= highest)
    if lowest >= 0 and highest < _LARGEST_INDEX:
        values = np.full(highest + 1, others, dtype)
        values[near] = [known[raw] for raw in near]
        if not complete:
            unknown = np.ones(highest + 1, np.bool_)
            unknown[near] = False
            if unknown[labels].any():
                _refuse(np.unique(labels[unknown[labels]]), known, what)
        return values[labels]
    # Labels of objects come in runs along a row: only the first of each run is looked up.
    flat = labels.reshape(-1)
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate([np.zeros(1, starts.dtype), starts])
    heads = flat[starts]
    found = np.zeros(len(heads), np.bool_)
    classes = np.full(len(heads), others, dtype)
    if near:
        keys = np.array(near, labels.dtype)
        at = np.minimum(np.searchsorted(keys, heads), len(keys) - 1)
        found = keys[at] == heads
        classes[found] = np.array([known[raw] for raw in near], dtype)[at[found]]
    unknown = ~found & (heads < 0) if complete else ~found
    if unknown.any():
        _refuse(np.unique(heads[unknown]), None if complete else known, what)
    return np.repeat(classes, np.diff(starts, append=flat.size)).reshape(labels.shape)


def _refuse(unknown: np.ndarray, known: Mapping[int, int] | None, what: str) -> None:
    """Raise the error that names unknown labels, or negative ones where all others are known."""
    got = _listed([int(label) for label in unknown], 8)
    if known is None:
        raise ValueError(f'{what} must be 0 or more where "*" stands for them, got {got}; name them as well')
    raise ValueError(
        f"{what} must be among {_listed(sorted(known), _LISTED)}, got the unknown labels {got}; "
        'name them in the map too, or all others at once as "*"'
    )


def _listed(labels: list[int], most: int) -> str:
    return ", ".join(map(str, labels[:most])) + (", …" if len(labels) > most else "")
