"""Runs of a task's images that are read as one box."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mtneuro_data.cube import CubeSpec
from mtneuro_data.task import TaskSpec
from mtneuro_data.volume import Box, Volume

_BLOCK_BYTES = 32 << 20
"""Bytes of a run of slices that is read as one box."""

_SPARSE = 4
"""From this distance of images on, each is read alone."""


class Run(NamedTuple):
    """Images of one cube that are read as one box."""

    cube: str
    starts: range
    """First slice of each image."""

    rows: slice
    """Places of the images in the result."""

    box: Box
    voxel_bytes: int

    @property
    def words(self) -> str:
        """How a message names the run's labels."""
        return f"labels of {self.cube} from slice {self.starts[0]} on"

    @property
    def n_bytes(self) -> int:
        """Bytes of the box, in the wider of the two volumes' types."""
        lower, upper = self.box
        return self.voxel_bytes * math.prod(hi - lo for lo, hi in zip(lower, upper, strict=True))


def runs_of(
    task: TaskSpec, boxes: Sequence[tuple[str, CubeSpec]], image: Volume, annotation: Volume | None
) -> Iterator[Run]:
    """Give the runs of a task's boxes in order, each of a bounded size."""
    widest = max(image.dtype.itemsize, 1 if annotation is None else annotation.dtype.itemsize)
    row = 0
    for name, box in boxes:
        starts = task.first_slices(box)
        slices = _BLOCK_BYTES // (box.shape[1] * box.shape[2] * widest)
        sparse = starts.step >= max(_SPARSE, 2 * task.depth)
        in_one = 1 if sparse else max(1, slices // starts.step)
        for at in range(0, len(starts), in_one):
            some = starts[at : at + in_one]
            lower = (some[0], box.lower[1], box.lower[2])
            upper = (some[-1] + task.depth, box.upper[1], box.upper[2])
            yield Run(name, some, slice(row, row + len(some)), (lower, upper), widest)
            row += len(some)


def labelled(task: TaskSpec, runs: Sequence[Run]) -> list[Run]:
    """Return the runs some of whose slices carry labels; the others need not be read."""
    if task.kind != "region" or task.annotated_z is None:
        return list(runs)
    lo, hi = task.annotated_z
    return [run for run in runs if run.box[0][0] < hi and run.box[1][0] > lo]


def batches(runs: Sequence[Run], largest: int) -> Iterator[list[Run]]:
    """Give runs in a row of at most so many bytes together, or one."""
    batch: list[Run] = []
    n_bytes = 0
    for run in runs:
        if batch and n_bytes + run.n_bytes > largest:
            yield batch
            batch, n_bytes = [], 0
        batch.append(run)
        n_bytes += run.n_bytes
    yield batch


def stacked(task: TaskSpec, run: Run, voxels: np.ndarray) -> np.ndarray:
    """Return a run of slices as images ``(n, z, y, x)``, without what lies between them."""
    starts = run.starts
    if starts.step == task.depth:
        return voxels.reshape(len(starts), task.depth, *voxels.shape[1:])
    return np.stack([voxels[z - starts[0] : z - starts[0] + task.depth] for z in starts])
