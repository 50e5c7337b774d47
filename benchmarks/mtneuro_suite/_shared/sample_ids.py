"""Sample ids, and which samples are neighbours by them: slices of one cube that follow each other in z."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

CORNERS = ("tl", "tr", "bl", "br")
"""Ends of the ids of an image's four corners."""

FORM = "'<cube>/z<z>' or '<cube>/z<z>/<corner>'"
"""What an id must read, for a message."""

_ID = re.compile(rf"(?P<cube>[^/].*)/z(?P<z>[0-9]{{1,18}})(?:/(?P<corner>{'|'.join(CORNERS)}))?")


@dataclass(frozen=True, slots=True, eq=False)
class SampleIds:
    """Cube, slice and corner of each sample, in the samples' order."""

    cube: np.ndarray
    """Name of the cube, ``(samples,)`` unicode; empty where the id has another form."""

    z: Int64[np.ndarray, " samples"]
    """First slice, counted in the whole volume; 0 where the id has another form."""

    corner: np.ndarray
    """``tl``, ``tr``, ``bl`` or ``br``, and empty for a whole image, ``(samples,)`` unicode."""

    placed: Bool[np.ndarray, " samples"]
    """Whether the id names a slice of a cube."""


def parsed_ids(sample_id: Sequence[str] | np.ndarray) -> SampleIds:
    """Return where each sample lies by its id; an id of another form than ours names no place.

    Examples
    --------
    >>> ids = parsed_ids(["A-CTX/z110", "A-CTX/z111/br", "img_7"])
    >>> ids.z.tolist(), ids.corner.tolist(), ids.placed.tolist()
    ([110, 111, 0], ['', 'br', ''], [True, True, False])
    """
    found = [_ID.fullmatch(str(name)) for name in sample_id]
    return SampleIds(
        cube=np.array([match["cube"] if match else "" for match in found], dtype=np.str_),
        z=np.array([int(match["z"]) if match else 0 for match in found], dtype=np.int64),
        corner=np.array([(match["corner"] or "") if match else "" for match in found], dtype=np.str_),
        placed=np.array([match is not None for match in found], dtype=np.bool_),
    )


def slice_stacks(sample_id: Sequence[str] | np.ndarray) -> list[Int64[np.ndarray, " rows"]]:
    """Return the rows of each stack of slices, in the order of z whatever the rows' order is.

    A stack is a cube, or one corner of it. A sample whose id has another form is a stack by itself. The
    stacks are in the order in which they first appear.

    Raises
    ------
    ValueError
        If two samples are of one slice; the first such id is shown.

    Examples
    --------
    >>> [rows.tolist() for rows in slice_stacks(["B/z4", "A/z1", "B/z3", "img_7"])]
    [[2, 0], [1], [3]]
    """
    ids = parsed_ids(sample_id)
    homes: dict[tuple[str, ...], list[int]] = {}
    for row, (cube, corner, placed) in enumerate(
        zip(ids.cube.tolist(), ids.corner.tolist(), ids.placed.tolist(), strict=True)
    ):
        homes.setdefault((cube, corner) if placed else (str(row),), []).append(row)
    stacks = [np.array(rows, dtype=np.int64) for rows in homes.values()]
    ordered = [rows[np.argsort(ids.z[rows], kind="stable")] for rows in stacks]
    for rows in ordered:
        twice = np.flatnonzero(np.diff(ids.z[rows]) == 0)
        if len(twice):
            raise ValueError(
                f"sample_id must name each slice once, got twice: {sample_id[int(rows[twice[0]])]}"
            )
    return ordered


def consecutive_runs(sample_id: Sequence[str] | np.ndarray) -> list[Int64[np.ndarray, " rows"]]:
    """Return the rows of each run of slices that follow one another along z without a gap.

    Raises
    ------
    ValueError
        As `slice_stacks`.

    Examples
    --------
    >>> [rows.tolist() for rows in consecutive_runs(["A/z1", "A/z2", "A/z4", "B/z5"])]
    [[0, 1], [2], [3]]
    """
    z = parsed_ids(sample_id).z
    return [
        run
        for rows in slice_stacks(sample_id)
        for run in np.split(rows, np.flatnonzero(np.diff(z[rows]) != 1) + 1)
    ]


def why_apart(sample_id: Sequence[str] | np.ndarray) -> str:
    """Return why the longest run of consecutive slices is no longer, for a refusal; empty where ids say all.

    Examples
    --------
    >>> why_apart(["A/z0", "A/z10", "A/z20"])
    'the slices of a cube are 10 apart'
    >>> why_apart(["img_7", "img_8"])
    "ids such as 'img_7' name no slice ('<cube>/z<z>'), so each of these images stands alone"
    """
    ids = parsed_ids(sample_id)
    if not ids.placed.all():
        first = str(sample_id[int(np.flatnonzero(~ids.placed)[0])])
        return f"ids such as {first!r} name no slice ('<cube>/z<z>'), so each of these images stands alone"
    steps = [np.diff(ids.z[rows]) for rows in slice_stacks(sample_id) if len(rows) > 1]
    least = min((int(step.min()) for step in steps), default=1)
    return f"the slices of a cube are {least} apart" if least > 1 else ""
