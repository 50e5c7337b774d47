"""A task's split as arrays."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mtneuro_data.arrays import TaskArrays
from mtneuro_data.cache import Cache
from mtneuro_data.cached import CachedSource
from mtneuro_data.cube import CubeSpec
from mtneuro_data.labels import mapped_labels, voted_region
from mtneuro_data.reduction import downsampled_images, downsampled_labels
from mtneuro_data.sources.boss import BossServer
from mtneuro_data.task import TaskSpec
from mtneuro_data.volume import Corner, Volume, open_volume

__all__ = ["check_volumes", "fetch", "load", "open_task"]

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

_BLOCK_BYTES = 32 << 20
"""Bytes read at once; bounds the memory beyond the result."""

_SPARSE = 8
"""From this distance of images on, each is read alone."""


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
    if task.depth * task.z_step < _SPARSE:
        _fill(image, boxes)
        if annotation is not None:
            _fill(annotation, boxes)
    for one, cube, two, other in task.touching():
        logger.warning("%s: the cube %s of %s touches %s of %s", task.name, cube, one, other, two)

    n = sum(len(task.first_slices(box)) for _, box in boxes)
    rows, columns = boxes[0][1].shape[1:]
    shape = (n, task.depth, rows // task.downsample, columns // task.downsample)
    images = np.empty(shape, np.uint8)
    masks = None if task.kind == "region" else np.empty(shape, np.uint8)
    region = np.empty(n, np.int64)
    sample_id: list[str] = []
    for name, box in boxes:
        for block in _blocks(task, box, image, annotation):
            at = slice(len(sample_id), len(sample_id) + len(block))
            _read_images(task, box, block, image, images[at])
            labels = _raw_labels(task, box, block, annotation)
            what = f"labels of {name} from slice {block[0]} on"
            region[at] = _regions(task, name, block, labels, what)
            if masks is not None and labels is not None:
                mapped = mapped_labels(labels, task.label_map, what=what)
                masks[at] = downsampled_labels(mapped, task.downsample)
            sample_id.extend(f"{name}/z{z}" for z in block)
            if progress is not None:
                progress(len(sample_id), n)
    z_um, y_um, x_um = task.voxel_size_um
    return TaskArrays(
        images=_squeezed(images, task),
        region=region,
        masks=None if masks is None else _squeezed(masks, task),
        sample_id=np.array(sample_id),
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
        _fill(volume, boxes, lambda done, of, at=at: _tell(progress, at + done / of, voxels, len(volumes)))
        _tell(progress, at + 1, voxels, len(volumes))
    return voxels * len(volumes)


def _tell(progress: Progress | None, share: float, voxels: int, volumes: int) -> None:
    if progress is not None:
        progress(round(share * voxels), voxels * volumes)


def _fill(volume: Volume, boxes: Sequence[tuple[str, CubeSpec]], progress: Progress | None = None) -> None:
    """Bring all of some boxes into the cache at once, so that every connection is busy."""
    if isinstance(volume.source, CachedSource):
        volume.source.fill([(box.lower, box.upper) for _, box in boxes], progress=progress)


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


def _blocks(task: TaskSpec, box: CubeSpec, image: Volume, annotation: Volume | None) -> Iterator[range]:
    """Give the first slices of the images of a box, in runs that are read at once."""
    starts = task.first_slices(box)
    widest = max(image.dtype.itemsize, 1 if annotation is None else annotation.dtype.itemsize)
    slices = _BLOCK_BYTES // (box.shape[1] * box.shape[2] * widest)
    sparse = starts.step >= max(_SPARSE, 2 * task.depth)
    per_block = 1 if sparse else max(1, slices // starts.step)
    return (starts[at : at + per_block] for at in range(0, len(starts), per_block))


def _corners(task: TaskSpec, box: CubeSpec, block: range) -> tuple[Corner, Corner]:
    lower = (block[0], box.lower[1], box.lower[2])
    return lower, (block[-1] + task.depth, box.upper[1], box.upper[2])


def _stacked(task: TaskSpec, block: range, voxels: np.ndarray) -> np.ndarray:
    """Return a run of slices as images ``(n, z, y, x)``, without what lies between them."""
    if block.step == task.depth:
        return voxels.reshape(len(block), task.depth, *voxels.shape[1:])
    return np.stack([voxels[z - block[0] : z - block[0] + task.depth] for z in block])


def _read_images(task: TaskSpec, box: CubeSpec, block: range, image: Volume, out: np.ndarray) -> None:
    lower, upper = _corners(task, box, block)
    if task.downsample == 1 and block.step == task.depth:
        image.read(lower, upper, out=out.reshape(-1, *box.shape[1:]))
    else:
        out[:] = downsampled_images(_stacked(task, block, image.read(lower, upper)), task.downsample)


def _raw_labels(task: TaskSpec, box: CubeSpec, block: range, annotation: Volume | None) -> np.ndarray | None:
    """Return the labels of a run of images; none where none of its slices carries any."""
    if annotation is None:
        return None
    lower, upper = _corners(task, box, block)
    if task.kind == "region" and task.annotated_z is not None:
        lo, hi = task.annotated_z
        if upper[0] <= lo or lower[0] >= hi:
            return None
    return _stacked(task, block, annotation.read(lower, upper))


def _regions(task: TaskSpec, cube: str, block: range, labels: np.ndarray | None, what: str) -> list[int]:
    own = task.regions.index(task.cubes[cube].region)
    if task.kind != "region" or labels is None:
        return [own] * len(block)
    lo, hi = task.annotated_z or (0, block[-1] + task.depth)
    return [
        voted_region(voxels, task.roi_map, what=what) if lo <= z and z + task.depth <= hi else own
        for z, voxels in zip(block, labels, strict=True)
    ]


def _squeezed(images: np.ndarray, task: TaskSpec) -> np.ndarray:
    return images[:, 0] if task.depth == 1 else images
