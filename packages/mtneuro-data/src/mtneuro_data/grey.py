"""The image volume of a task as grey levels, through a window of intensities."""

import os
from collections.abc import Sequence

import numpy as np

from mtneuro_data._shared.intensity import GreyType, Level, Window, percent_of, windowed
from mtneuro_data.box import Box
from mtneuro_data.sources.base import Kind, Progress, Source
from mtneuro_data.task import TaskSpec
from mtneuro_data.volume import Volume

_SAMPLE_VOXELS = 1 << 24
"""Most voxels that percentiles are taken of."""

_SAMPLE_SLICES = 64


class GreyVolume(Volume):
    """A volume whose voxels are mapped to grey levels where they are read.

    Parameters
    ----------
    volume
        The volume itself.
    window
        The intensities that become black and white.
    grey
        What the grey levels are.
    """

    def __init__(self, volume: Volume, *, window: Window, grey: GreyType = "uint8") -> None:
        super().__init__(volume.uri)
        self.volume = volume
        self.window = window
        self.grey: GreyType = grey

    @property
    def source(self) -> Source:
        """The storage, opened by this process."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), _GreySource(self.volume.source, self.window, self.grey))
        return self._opened[1]


class _GreySource(Source):
    """Another storage's voxels as grey levels."""

    def __init__(self, source: Source, window: Window, grey: GreyType) -> None:
        self._source, self._window = source, window
        self._grey: GreyType = grey
        self.shape = source.shape
        self.dtype = np.dtype(grey)
        self.voxel_size_um = source.voxel_size_um
        self.offset, self.encoding, self.chunks = source.offset, source.encoding, source.chunks
        self.side_by_side = source.side_by_side

    @property
    def kind(self) -> Kind:
        """An image."""
        return "image"

    def read(self, box: Box, /) -> np.ndarray:
        """Return the grey levels of a box."""
        return windowed(self._source.read(box), self._window, self._grey)

    def read_boxes(
        self, boxes: Sequence[Box], /, *, out: Sequence[np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """Return the grey levels of some boxes, in ``out`` if it is given."""
        voxels = self._source.read_boxes(boxes)
        for box, some in zip(boxes, voxels, strict=True):
            # They will be read again, and are mapped anew each time.
            self._source.keep(box, some)
        found = [windowed(some, self._window, self._grey) for some in voxels]
        if out is None:
            return found
        for array, some in zip(out, found, strict=True):
            array[...] = some
        return list(out)

    def prefetch(self, boxes: Sequence[Box], /, *, progress: Progress | None = None) -> None:
        """Download the missing chunks of some boxes into the cache, if there is one."""
        self._source.prefetch(boxes, progress=progress)


def resolved_window(levels: tuple[Level, Level], task: TaskSpec, image: Volume) -> Window:
    """Return the intensities that levels stand for; percentiles are taken of a sample of a task's images.

    The sample is the same each time: of at most 64 slices, and 2^24 voxels, spread evenly over the cubes of
    the split ``train``, or of the first split where there is no such.

    Raises
    ------
    ValueError
        If the percentiles do not differ.
    OSError
        If the volume cannot be read.
    """
    ranks = [percent_of(level) for level in levels]
    if all(rank is None for rank in ranks):
        return float(levels[0]), float(levels[1])
    sample = np.concatenate([voxels.ravel() for voxels in image.read_boxes(sampled_slices(task))])
    if sample.dtype.kind == "f":
        sample = sample[np.isfinite(sample)]
    low, high = (
        float(level) if rank is None else float(np.percentile(sample, rank)) if sample.size else np.nan
        for level, rank in zip(levels, ranks, strict=True)
    )
    if not low < high:
        raise ValueError(
            f"intensity must be two ascending levels, got {low:g} and {high:g} for {levels[0]} and "
            f"{levels[1]} in the training images of {task.name}: give numbers, or percentiles further apart"
        )
    return low, high


def sampled_slices(task: TaskSpec) -> list[Box]:
    """Return the slices of a task's cubes that its percentiles are taken of."""
    boxes = [cube for _, cube in task.boxes("train" if "train" in task.splits else next(iter(task.splits)))]
    places = [(cube, z) for cube in boxes for z in range(cube.lower[0], cube.upper[0])]
    face = boxes[0].shape[1] * boxes[0].shape[2]
    count = min(len(places), _SAMPLE_SLICES, max(1, _SAMPLE_VOXELS // face))
    chosen = [places[(2 * at + 1) * len(places) // (2 * count)] for at in range(count)]
    return [
        Box((z, cube.lower[1], cube.lower[2]), (z + 1, cube.upper[1], cube.upper[2])) for cube, z in chosen
    ]
