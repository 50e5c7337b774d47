"""Sample ids, and the cube, slice and corner that they name."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from mtneuro_probe._shared.sample_ids import CORNERS, FORM, parsed_ids

_log = logging.getLogger(__name__)


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
    ids = parsed_ids(sample_id)
    if not ids.placed.all():
        wrong = [repr(str(name)) for name, placed in zip(sample_id, ids.placed, strict=True) if not placed]
        raise ValueError(
            f"a sample id must read {FORM} with a corner of {', '.join(CORNERS)}, got {', '.join(wrong[:10])}"
        )
    return Positions(cube=ids.cube, z=ids.z, corner=ids.corner)


def lone_samples(sample_id: Sequence[str] | np.ndarray) -> Int64[np.ndarray, " samples"] | None:
    """Return a number for each sample where no id names a slice, so that nobody knows of neighbours.

    The log says so. Where ids name slices, `sample_positions` reads them, and there is nothing to return.

    Examples
    --------
    >>> lone_samples(["A/z0", "A/z1"]) is None
    True
    """
    if len(sample_id) == 0 or parsed_ids(sample_id).placed.any():
        return None
    _log.warning(
        "the ids name no slices (%s), such as %r: each sample is held out and drawn by itself, as if no two "
        "were neighbours; give ids of that form, or groups=, where they are",
        FORM, str(sample_id[0]),
    )  # fmt: skip
    return np.arange(len(sample_id))


def first_ten(ids: Sequence[str] | np.ndarray) -> str:
    """Return the ids as an error shows them: ten at most, and how many there are."""
    shown = ", ".join(str(name) for name in ids[:10])
    return shown if len(ids) <= 10 else f"{shown}, … ({len(ids)} in all)"
