"""A task's split as arrays."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mtneuro_data.arrays import TaskArrays
from mtneuro_data.cache import Cache
from mtneuro_data.cube import CubeSpec
from mtneuro_data.labels import mapped_labels, voted_region
from mtneuro_data.reduction import downsampled_images, downsampled_labels
from mtneuro_data.task import TaskSpec
from mtneuro_data.volume import Volume, open_volume

__all__ = ["check_volumes", "fetch", "load", "open_task"]

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

_BLOCK_SLICES = 64
"""Slices read at once; bounds the memory beyond the result."""

_SPARSE = 8
"""From this distance of images on, each is read alone."""


def load(
    task: TaskSpec,
    split: str | Sequence[str],
    *,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> TaskArrays:
    """Return the images and labels of one split, or of several in a row.

    Parameters
    ----------
    task
        What to load; see `builtin_task` and `read_task`.
    split
        A split's name, or several: ``("train", "val")`` gives first the one, then the other.
    cache
        Where chunks from a database are kept; ``None`` keeps everything in memory.
    progress
        Called with the images done and their number.

    Returns
    -------
    arrays
        Ordered by split, part, cube and slice. Images are reduced by area mean, masks by majority.

    Raises
    ------
    ValueError
        If the task has no such split, a cube leaves the volume, image and annotation differ in
        shape, or a raw label is unknown.
    OSError
        If a volume cannot be read.

    Notes
    -----
    In a task of regions with an annotation an image's region is the majority of its region-of-interest
    labels, where all of its slices carry them, and the cube's elsewhere. Everything that can be
    checked is checked before the first voxel is read.

    Examples
    --------
    >>> from mtneuro_data import builtin_task
    >>> task = builtin_task("roi-c1").with_source("phantom")
    >>> arrays = load(task.replaced(annotation=None, z_step=50, downsample=4), "test")
    >>> arrays.images.shape, arrays.sample_id[0]
    ((4, 64, 64), np.str_('A-CTX/z420'))
    """
    names = task.split_names(split)
    image, annotation = open_task(task, cache=cache)
    boxes = [box for name in names for box in task.boxes(name)]
    check_volumes(task, boxes, image, annotation)
    for one, cube, two, other in task.touching():
        logger.warning("%s: the cube %s of %s touches %s of %s", task.name, cube, one, other, two)

    n = sum(len(task.first_slices(box)) for _, box in boxes)
    face = tuple(size // task.downsample for size in boxes[0][1].shape[1:])
    shape = (n, *face) if task.depth == 1 else (n, task.depth, *face)
    images = np.empty(shape, np.uint8)
    masks = None if task.kind == "region" else np.empty(shape, np.uint8)
    region = np.empty(n, np.int64)
    sample_id: list[str] = []
    for name, box in boxes:
        for z, voxels, labels in _images_of(task, box, image, annotation):
            at = len(sample_id)
            images[at] = downsampled_images(voxels, task.downsample)
            what = f"labels of {name} at slice {z}"
            region[at] = _region(task, name, z, labels, what)
            if masks is not None and labels is not None:
                masks[at] = downsampled_labels(
                    mapped_labels(labels, task.label_map, what=what), task.downsample
                )
            sample_id.append(f"{name}/z{z}")
            if progress is not None:
                progress(len(sample_id), n)
    z_um, y_um, x_um = task.voxel_size_um
    return TaskArrays(
        images=images,
        region=region,
        masks=masks,
        sample_id=np.array(sample_id),
        region_names=task.regions,
        class_names=task.class_names,
        voxel_size_um=(z_um, y_um * task.downsample, x_um * task.downsample),
        fingerprint=task.fingerprint,
    )


def fetch(
    task: TaskSpec, split: str | Sequence[str], *, cache: Cache, progress: Progress | None = None
) -> int:
    """Bring all voxels of some splits into a cache; return how many they are, labels included.

    Parameters
    ----------
    task, split
        As in `load`; every slice is fetched, whatever ``z_step`` is.
    cache
        What to fill.
    progress
        Called with the voxels done and their number.

    Raises
    ------
    ValueError, OSError
        As `load`.
    """
    names = task.split_names(split)
    image, annotation = open_task(task, cache=cache)
    boxes = [box for name in names for box in task.boxes(name)]
    check_volumes(task, boxes, image, annotation)
    volumes = [volume for volume in (image, annotation) if volume is not None]
    total = len(volumes) * sum(math.prod(box.shape) for _, box in boxes)
    done = 0
    for volume in volumes:
        for _, box in boxes:
            for z in range(box.lower[0], box.upper[0], _BLOCK_SLICES):
                top = min(z + _BLOCK_SLICES, box.upper[0])
                done += volume.read((z, *box.lower[1:]), (top, *box.upper[1:])).size
                if progress is not None:
                    progress(done, total)
    return total


def open_task(task: TaskSpec, *, cache: Cache | None = None) -> tuple[Volume, Volume | None]:
    """Return a task's image volume and its label volume, opened."""
    image = open_volume(task.image, cache=cache)
    return image, None if task.annotation is None else open_volume(task.annotation, cache=cache)


def check_volumes(
    task: TaskSpec, boxes: Sequence[tuple[str, CubeSpec]], image: Volume, annotation: Volume | None
) -> None:
    """Refuse volumes that cannot hold a task's boxes, before anything is read.

    Raises
    ------
    ValueError
        If the types or the shapes are wrong, or a cube leaves the volume.
    """
    if image.dtype != np.uint8:
        raise ValueError(f"{image.uri}: an image volume must be uint8, got {image.dtype}")
    if annotation is not None:
        if annotation.dtype.kind not in "ui":
            raise ValueError(
                f"{annotation.uri}: a label volume must hold whole numbers, got {annotation.dtype}"
            )
        if annotation.shape != image.shape:
            raise ValueError(
                "image and annotation must have one shape (z, y, x): "
                f"{image.uri} has {image.shape}, {annotation.uri} has {annotation.shape}"
            )
    for name, box in boxes:
        for axis, lo, hi, size in zip("zyx", box.lower, box.upper, image.shape, strict=True):
            if hi > size:
                raise ValueError(
                    f"task {task.name}, cube {name}: {axis} range must lie within [0, {size}), "
                    f"got [{lo}, {hi}) of {image.uri}"
                )


def _images_of(
    task: TaskSpec, box: CubeSpec, image: Volume, annotation: Volume | None
) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
    """Give the first slice, the voxels and the raw labels of each image of a box."""
    starts = task.first_slices(box)
    per_block = 1 if starts.step >= max(_SPARSE, 2 * task.depth) else max(1, _BLOCK_SLICES // starts.step)
    for block in (starts[at : at + per_block] for at in range(0, len(starts), per_block)):
        lower = (block[0], *box.lower[1:])
        upper = (block[-1] + task.depth, *box.upper[1:])
        voxels = image.read(lower, upper)
        needed = annotation is not None and _has_labels(task, range(block[0], block[-1] + task.depth))
        labels = annotation.read(lower, upper) if annotation is not None and needed else None
        for z in block:
            cut = slice(z - block[0], z - block[0] + task.depth)
            yield z, _squeezed(voxels[cut], task), None if labels is None else _squeezed(labels[cut], task)


def _has_labels(task: TaskSpec, slices: range) -> bool:
    """Return whether any of the slices may carry labels."""
    if task.kind != "region" or task.annotated_z is None:
        return True
    return slices.start < task.annotated_z[1] and slices.stop > task.annotated_z[0]


def _squeezed(voxels: np.ndarray, task: TaskSpec) -> np.ndarray:
    return voxels[0] if task.depth == 1 else voxels


def _region(task: TaskSpec, cube: str, z: int, labels: np.ndarray | None, what: str) -> int:
    lo, hi = task.annotated_z or (0, z + task.depth)
    if task.kind == "region" and labels is not None and lo <= z and z + task.depth <= hi:
        return voted_region(labels, task.roi_map, what=what)
    return task.regions.index(task.cubes[cube].region)
