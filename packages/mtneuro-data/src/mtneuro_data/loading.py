"""A task's split as arrays."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from mtneuro_data.arrays import TaskArrays
from mtneuro_data.cache import Cache
from mtneuro_data.cached import CachedSource
from mtneuro_data.cube import CubeSpec
from mtneuro_data.labels import mapped_labels, voted_region
from mtneuro_data.reduction import downsampled_images, downsampled_labels
from mtneuro_data.runs import Run, batches, labelled, runs_of, stacked
from mtneuro_data.sources.boss import BossServer
from mtneuro_data.sources.phantom_volume import common_phantom
from mtneuro_data.task import TaskSpec
from mtneuro_data.volume import Box, BoxesSource, Volume, open_volume

__all__ = ["check_volumes", "fetch", "load", "open_task"]

Progress = Callable[[int, int], None]

_BATCH_BYTES = 64 << 20
"""Bytes of the boxes that are read side by side; bounds the memory beyond the result."""


def load(
    task: TaskSpec,
    split: str | Sequence[str],
    *,
    cache: Cache | None = None,
    server: BossServer | None = None,
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
    server
        The database to ask; by default as in `open_volume`.
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
    image, annotation = open_task(task, cache=cache, server=server)
    boxes = [box for name in names for box in task.boxes(name)]
    check_volumes(task, boxes, image, annotation)
    runs = list(runs_of(task, boxes, image, annotation))
    _fill(image, [run.box for run in runs])
    if annotation is not None:
        _fill(annotation, [run.box for run in labelled(task, runs)])
    n = runs[-1].rows.stop
    height, width = boxes[0][1].shape[1:]
    shape = (n, task.depth, height // task.downsample, width // task.downsample)
    images = np.empty(shape, np.uint8)
    masks = None if task.kind == "region" else np.empty(shape, np.uint8)
    region = np.empty(n, np.int64)
    phantom = None if masks is None else common_phantom(image.source, getattr(annotation, "source", None))
    # What reads one box at a time gains nothing from a batch, and progress is told after each.
    for batch in batches(runs, _BATCH_BYTES if isinstance(image.source, BoxesSource) else 0):
        if phantom is not None and annotation is not None and masks is not None:
            both = [phantom.read_all(*run.box) for run in batch]
            _put_images(task, batch, [channels["image"] for channels in both], images)
            _put_masks(task, batch, [channels["pixel_labels"] for channels in both], masks)
        else:
            _read_images(task, batch, image, images)
            if annotation is not None and masks is not None:
                _read_masks(task, batch, annotation, masks)
        _put_regions(task, batch, annotation, region)
        if progress is not None:
            progress(batch[-1].rows.stop, n)
    z_um, y_um, x_um = task.voxel_size_um
    return TaskArrays(
        images=_squeezed(images, task),
        region=region,
        masks=None if masks is None else _squeezed(masks, task),
        sample_id=np.array([f"{run.cube}/z{z}" for run in runs for z in run.starts]),
        region_names=task.regions,
        class_names=task.class_names,
        voxel_size_um=(z_um, y_um * task.downsample, x_um * task.downsample),
        fingerprint=task.fingerprint,
    )


def fetch(
    task: TaskSpec,
    split: str | Sequence[str],
    *,
    cache: Cache,
    server: BossServer | None = None,
    progress: Progress | None = None,
) -> int:
    """Bring all voxels of some splits into a cache; return how many they are, labels included.

    Parameters
    ----------
    task, split
        As in `load`; every slice is fetched, whatever ``z_step`` is.
    cache
        What to fill.
    server
        The database to ask; by default as in `open_volume`.
    progress
        Called with the voxels done and their number.

    Raises
    ------
    ValueError, OSError
        As `load`.
    """
    names = task.split_names(split)
    image, annotation = open_task(task, cache=cache, server=server)
    boxes = [box for name in names for box in task.boxes(name)]
    check_volumes(task, boxes, image, annotation)
    volumes = [volume for volume in (image, annotation) if volume is not None]
    voxels = sum(math.prod(box.shape) for _, box in boxes)
    for at, volume in enumerate(volumes):
        _fill(
            volume,
            [(box.lower, box.upper) for _, box in boxes],
            lambda done, of, at=at: _tell(progress, at + done / of, voxels, len(volumes)),
        )
        _tell(progress, at + 1, voxels, len(volumes))
    return voxels * len(volumes)


def _tell(progress: Progress | None, share: float, voxels: int, volumes: int) -> None:
    if progress is not None:
        progress(round(share * voxels), voxels * volumes)


def _fill(volume: Volume, boxes: Sequence[Box], progress: Progress | None = None) -> None:
    """Bring all of some boxes into the cache at once, so that every connection is busy."""
    if isinstance(volume.source, CachedSource):
        volume.source.fill(boxes, progress=progress)


def open_task(
    task: TaskSpec, *, cache: Cache | None = None, server: BossServer | None = None
) -> tuple[Volume, Volume | None]:
    """Return a task's image volume and its label volume, opened."""
    image = open_volume(task.image, cache=cache, server=server)
    if task.annotation is None:
        return image, None
    return image, open_volume(task.annotation, cache=cache, server=server)


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


def _places(task: TaskSpec, batch: Sequence[Run], result: np.ndarray) -> list[np.ndarray] | None:
    """Return where in the result runs can be read to as they are, or none if they need more work."""
    if task.downsample > 1 or any(run.starts.step != task.depth for run in batch):
        return None
    return [result[run.rows].reshape(-1, *result.shape[2:]) for run in batch]


def _read_images(task: TaskSpec, batch: Sequence[Run], image: Volume, images: np.ndarray) -> None:
    places = _places(task, batch, images)
    boxes = [run.box for run in batch]
    if isinstance(image.source, CachedSource):
        # A task's cubes are loaded again and again.
        voxels = image.source.read_boxes(boxes, out=places, keep=True)
    else:
        voxels = image.read_boxes(boxes, out=places)
    if places is None:
        _put_images(task, batch, voxels, images)


def _put_images(
    task: TaskSpec, batch: Sequence[Run], voxels: Sequence[np.ndarray], images: np.ndarray
) -> None:
    for run, some in zip(batch, voxels, strict=True):
        images[run.rows] = downsampled_images(stacked(task, run, some), task.downsample)


def _read_masks(task: TaskSpec, batch: Sequence[Run], annotation: Volume, masks: np.ndarray) -> None:
    places = _places(task, batch, masks) if annotation.dtype == np.uint8 else None
    voxels = annotation.read_boxes([run.box for run in batch], out=places)
    if places is None:
        _put_masks(task, batch, voxels, masks)
        return
    for run, labels, place in zip(batch, voxels, places, strict=True):
        mapped_labels(labels, task.label_map, what=run.words, out=place)


def _put_masks(task: TaskSpec, batch: Sequence[Run], voxels: Sequence[np.ndarray], masks: np.ndarray) -> None:
    for run, labels in zip(batch, voxels, strict=True):
        mapped = mapped_labels(stacked(task, run, labels), task.label_map, what=run.words)
        masks[run.rows] = downsampled_labels(mapped, task.downsample)


def _put_regions(task: TaskSpec, batch: Sequence[Run], annotation: Volume | None, region: np.ndarray) -> None:
    """Put each image's region: its cube's, or the majority of its labels where it carries them."""
    for run in batch:
        region[run.rows] = task.regions.index(task.cubes[run.cube].region)
    if task.kind != "region" or annotation is None:
        return
    voting = labelled(task, batch)
    lo, hi = task.annotated_z or (0, annotation.shape[0])
    for run, labels in zip(voting, annotation.read_boxes([run.box for run in voting]), strict=True):
        for at, z, voxels in zip(
            range(run.rows.start, run.rows.stop), run.starts, stacked(task, run, labels), strict=True
        ):
            if lo <= z and z + task.depth <= hi:
                region[at] = voted_region(voxels, task.roi_map, what=run.words)


def _squeezed(images: np.ndarray, task: TaskSpec) -> np.ndarray:
    return images[:, 0] if task.depth == 1 else images
