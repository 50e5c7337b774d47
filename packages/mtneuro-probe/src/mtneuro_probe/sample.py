"""Sample ids, and the cube, slice and corner that they name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

CORNERS = ("tl", "tr", "bl", "br")

_ID = re.compile(r"(?P<cube>[^/].*)/z(?P<z>\d+)(?:/(?P<corner>tl|tr|bl|br))?")


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Cube, slice and corner of each sample, in the samples' order."""

    cube: np.ndarray
    """Name of the cube, ``(samples,)`` unicode."""

    z: Int64[np.ndarray, " samples"]
    """First slice, counted in the whole volume."""

    corner: np.ndarray
    """``tl``, ``tr``, ``bl`` or ``br``, and empty for a whole image, ``(samples,)`` unicode."""


def sample_positions(sample_id: Sequence[str] | np.ndarray) -> Positions:
    """Return where each sample lies, read from its id.

    Parameters
    ----------
    sample_id
        Ids of the form ``<cube>/z<z>`` or ``<cube>/z<z>/<corner>``.

    Returns
    -------
    positions
        One entry a sample, in the order given.

    Raises
    ------
    ValueError
        If an id has another form; the first such ids are named.

    Examples
    --------
    >>> positions = sample_positions(["A-CTX/z110", "A-CTX/z111/br"])
    >>> positions.z
    array([110, 111])
    >>> positions.corner.tolist()
    ['', 'br']
    """
    ids = [str(name) for name in sample_id]
    matches = [match for match in map(_ID.fullmatch, ids) if match is not None]
    if len(matches) < len(ids):
        wrong = [name for name in ids if _ID.fullmatch(name) is None]
        raise ValueError(
            "a sample id must read '<cube>/z<z>' or '<cube>/z<z>/<corner>' with a corner of "
            f"{', '.join(CORNERS)}, got {', '.join(map(repr, wrong[:10]))}"
        )
    return Positions(
        cube=np.array([match["cube"] for match in matches], dtype=np.str_),
        z=np.array([int(match["z"]) for match in matches], dtype=np.int64),
        corner=np.array([match["corner"] or "" for match in matches], dtype=np.str_),
    )


def first_ten(ids: Sequence[str] | np.ndarray) -> str:
    """Return the ids as an error shows them: ten at most, and how many there are."""
    shown = ", ".join(str(name) for name in ids[:10])
    return shown if len(ids) <= 10 else f"{shown}, … ({len(ids)} in all)"
