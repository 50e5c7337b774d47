"""Divide a task's cubes into boxes of bounded size, each read at once."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from mtneuro_data.box import Box
from mtneuro_data.cube import CubeSpec
from mtneuro_data.task import TaskSpec
from mtneuro_data.volume import Volume

_BLOCK_BYTES = 32 << 20
"""Largest size of a piece in bytes."""

_SPARSE = 4
"""If images are at least this many slices apart, each is read alone."""


class Piece(NamedTuple):
    """Images of one cube that are read as one box."""

    cube: str
    starts: range
    """First slice of each image."""

    rows: slice
    """Rows of the images in the result."""

    box: Box
    voxel_bytes: int

    @property
    def words(self) -> str:
        """The piece's labels, as named in messages."""
        return _words(self.cube, self.starts[0])

    @property
    def n_bytes(self) -> int:
        """Bytes of the box, in the wider of the two volumes' types."""
        return self.voxel_bytes * self.box.size


class Crossing(NamedTuple):
    """A subvolume that begins in one cube and goes on in the next ones, or ends with the last."""

    cube: str
    row: int
    boxes: tuple[Box, ...]
    """Its slices, in order; together at most the task's depth."""

    @property
    def words(self) -> str:
        """The subvolume's labels, as named in messages."""
        return _words(self.cube, self.boxes[0].lower[0])


def _words(cube: str, start: int) -> str:
    return f"labels of {cube} from slice {start} on"


def crossings_of(task: TaskSpec, splits: Sequence[str]) -> Iterator[Crossing]:
    """Yield the subvolumes of a task with ``across_cubes`` that no cube holds whole."""
    row = 0
    for split in splits:
        boxes = iter(task.boxes(split))
        for part in task.splits[split]:
            own = list(islice(boxes, len(part.cubes)))
            for at, (name, cube) in enumerate(own):
                starts = task.first_slices(cube)
                row += len(starts)
                if starts[-1] + task.depth > cube.upper[0]:
                    followers = [box for _, box in own[at + 1 :]]
                    yield Crossing(name, row - 1, _stretch(cube, starts[-1], followers, task.depth))


def _stretch(cube: CubeSpec, start: int, followers: Sequence[CubeSpec], depth: int) -> tuple[Box, ...]:
    """Return the boxes of so many slices from one slice of a cube on, going on in those that follow."""
    boxes: list[Box] = []
    for box, z in ((cube, start), *((other, other.lower[0]) for other in followers)):
        end = min(z + depth, box.upper[0])
        boxes.append(Box((z, *box.lower[1:]), (end, *box.upper[1:])))
        depth -= end - z
        if not depth:
            break
    return tuple(boxes)


def pieces_of(
    task: TaskSpec, cubes: Sequence[tuple[str, CubeSpec]], image: Volume, annotation: Volume | None
) -> Iterator[Piece]:
    """Yield the pieces of a task's cubes in order, each of a bounded size."""
    widest = max(image.dtype.itemsize, 1 if annotation is None else annotation.dtype.itemsize)
    row = 0
    for name, cube in cubes:
        every = task.first_slices(cube)
        starts = range(every.start, min(every.stop, cube.upper[0] - task.depth + 1), every.step)
        slices = _BLOCK_BYTES // (cube.shape[1] * cube.shape[2] * widest)
        sparse = starts.step >= max(_SPARSE, 2 * task.depth)
        in_one = 1 if sparse else max(1, slices // starts.step)
        for at in range(0, len(starts), in_one):
            some = starts[at : at + in_one]
            lower = (some[0], cube.lower[1], cube.lower[2])
            upper = (some[-1] + task.depth, cube.upper[1], cube.upper[2])
            yield Piece(name, some, slice(row + at, row + at + len(some)), Box(lower, upper), widest)
        row += len(every)


def labelled(task: TaskSpec, pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces with slices that have labels; the labels of the others need not be read."""
    if task.kind != "region" or task.annotated_z is None:
        return list(pieces)
    lo, hi = task.annotated_z
    return [piece for piece in pieces if piece.box.lower[0] < hi and piece.box.upper[0] > lo]


def batches(pieces: Sequence[Piece], largest: int) -> Iterator[list[Piece]]:
    """Yield groups of consecutive pieces of at most so many bytes together, or of one piece."""
    batch: list[Piece] = []
    n_bytes = 0
    for piece in pieces:
        if batch and n_bytes + piece.n_bytes > largest:
            yield batch
            batch, n_bytes = [], 0
        batch.append(piece)
        n_bytes += piece.n_bytes
    yield batch


def stacked(task: TaskSpec, piece: Piece, voxels: np.ndarray) -> np.ndarray:
    """Return the slices of a piece as images ``(n, z, y, x)``, without the slices between them."""
    starts = piece.starts
    if starts.step == task.depth:
        return voxels.reshape(len(starts), task.depth, *voxels.shape[1:])
    return np.stack([voxels[z - starts[0] : z - starts[0] + task.depth] for z in starts])
