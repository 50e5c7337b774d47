"""The boxes of a volume that may be annotated, and the table that names those that are suggested."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

TABLE = "boxes.csv"
"""The table of a folder of suggestions."""

_COLUMNS = ("z0", "z1", "y0", "y1", "x0", "x1")
_MOST_BOXES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A half-open box of voxels, in the coordinates of the whole volume.

    Examples
    --------
    >>> Box(lower=(3, 64, 128), upper=(4, 128, 192)).name
    'z3-y64-x128'
    """

    lower: tuple[int, int, int]
    """First voxel ``(z, y, x)``."""

    upper: tuple[int, int, int]
    """The voxel after the last ``(z, y, x)``."""

    @property
    def name(self) -> str:
        """What a box is called: where it begins."""
        return "-".join(f"{axis}{at}" for axis, at in zip("zyx", self.lower, strict=True))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y and x."""
        z, y, x = (last - first for first, last in zip(self.lower, self.upper, strict=True))
        return z, y, x


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A box that a person is to annotate, and why."""

    box: Box
    """Where it lies."""

    score: float
    """By ``uncertainty`` the mean over its voxels, by ``diversity`` the distance to the nearest box that is
    annotated or was suggested before it, nan by ``random``."""

    strategy: str
    """What chose it."""


def box_grid(shape: Sequence[int], size: Sequence[int]) -> Int64[np.ndarray, "boxes 3"]:
    """Return the first voxels of the boxes that a volume is cut into, in the order z, y, x.

    What is left over along an axis, less than a box, is halved between its two ends.

    Raises
    ------
    ValueError
        If a box is larger than the volume.

    Examples
    --------
    >>> box_grid((1, 4, 11), (1, 4, 4)).tolist()
    [[0, 0, 1], [0, 0, 5]]
    """
    if any(edge > length for edge, length in zip(size, shape, strict=True)):
        raise ValueError(
            f"size must be a box within the volume {tuple(shape)}, got {tuple(size)}; take smaller boxes"
        )
    axes = [
        np.arange(length % edge // 2, length - edge + 1, edge)
        for length, edge in zip(shape, size, strict=True)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.int64)


def write_boxes(path: Path, suggestions: Iterable[Suggestion]) -> None:
    """Write suggestions, the first one first, as a table: box, its ranges, score and strategy."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("box", *_COLUMNS, "score", "strategy"))
        for each in suggestions:
            ends = [end for pair in zip(each.box.lower, each.box.upper, strict=True) for end in pair]
            score = "" if np.isnan(each.score) else f"{each.score:.6g}"
            writer.writerow((each.box.name, *ends, score, each.strategy))


def read_boxes(path: Path) -> tuple[Box, ...]:
    """Return the boxes of a folder of suggestions, or of a table with the columns z0, z1, y0, y1, x0 and x1.

    Raises
    ------
    FileNotFoundError
        If there is no such table.
    ValueError
        If it lacks a column, or a row is no box.
    """
    table = path / TABLE if path.is_dir() else path
    if not table.is_file():
        raise FileNotFoundError(
            f"annotated boxes must be a folder of suggestions or a .csv, found no {table}; check the path"
        )
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row, _ in zip(csv.DictReader(file), range(_MOST_BOXES + 1), strict=False)]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{table} must be a table of boxes: {error}") from None
    if len(rows) > _MOST_BOXES:
        raise ValueError(f"{table} must hold {_MOST_BOXES:,} boxes at most, got more")
    return tuple(_box(row, f"row {number} of {table}") for number, row in enumerate(rows, start=1))


def _box(row: dict[str, str], where: str) -> Box:
    lacking = [name for name in _COLUMNS if not row.get(name)]
    if lacking:
        raise ValueError(f"{where} must have the columns {', '.join(_COLUMNS)}, got no {', '.join(lacking)}")
    try:
        z0, z1, y0, y1, x0, x1 = (int(row[name]) for name in _COLUMNS)
    except ValueError:
        raise ValueError(
            f"{where} must hold whole numbers, got {', '.join(row[name] for name in _COLUMNS)}"
        ) from None
    box = Box(lower=(z0, y0, x0), upper=(z1, y1, x1))
    if min(box.lower) < 0 or min(box.shape) < 1:
        raise ValueError(f"{where} must be a box, first before last, got {box.lower} to {box.upper}")
    return box
