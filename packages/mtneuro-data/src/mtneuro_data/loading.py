"""Load the splits of a task as plain arrays, or download them into a cache."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mtneuro_data._shared.bounds import check_memory
from mtneuro_data.arrays import UNLABELLED, TaskArrays
from mtneuro_data.grey import GreyVolume
from mtneuro_data.labels import mapped_labels, voted_region
from mtneuro_data.opening import open_raw, open_task, voxel_size_of
from mtneuro_data.pieces import Crossing, Piece, batches, crossings_of, labelled, pieces_of, stacked
from mtneuro_data.reduction import downsampled_images, downsampled_instances, downsampled_labels
from mtneuro_data.sources.base import Progress
from mtneuro_data.task import TaskSpec
from mtneuro_data.volume import Volume

if TYPE_CHECKING:
    from mtneuro_data.cache.folder import Cache
    from mtneuro_data.sources.boss import BossServer

_BATCH_BYTES = 64 << 20
"""Largest size in bytes of the pieces that are read in parallel; it bounds the memory besides the result."""


def load(
    task: TaskSpec,
    split: str | Sequence[str],
    *,
    cache: "Cache | None" = None,
    server: "BossServer | None" = None,
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
        Called with the number of images done and the number of all images.

    Returns
    -------
    arrays
        Ordered by split, part, cube and slice. Images are reduced by area mean, masks by majority.

    Raises
    ------
    ValueError
        If the task has no such split, a cube leaves the volume, image and annotation differ in
        shape, task and image in voxel size, a raw label is unknown, or the images are more than the memory
        at hand.
    OSError
        If a volume cannot be read.

    Notes
    -----
    In a task of regions with an annotation, an image's region is what its labels vote for
    (`TaskSpec.region_vote`) if all of its slices have them, and otherwise its cube's region. Everything
    that can be checked without reading voxels is checked first.

    Examples
    --------
    >>> from mtneuro_data import builtin_task
    >>> task = builtin_task("roi-c1").with_source("phantom")
    >>> arrays = load(task.replaced(annotation=None, z_step=50, downsample=4), "test")
    >>> arrays.images.shape, arrays.sample_id[0]
    ((4, 64, 64), np.str_('A-CTX/z420'))
    """
    image, annotation = open_task(task, split, cache=cache, server=server)
    splits = task.split_names(split)
    cubes = [cube for name in splits for cube in task.boxes(name)]
    pieces = list(pieces_of(task, cubes, image, annotation))
    crossings = list(crossings_of(task, splits)) if task.across_cubes else []
    sample_id = [f"{name}/z{z}" for name in splits for name, z in task.samples(name)]
    n = len(sample_id)
    height, width = cubes[0][1].shape[1:]
    shape = (n, task.depth, height // task.downsample, width // task.downsample)
    label_bytes = (task.kind != "region") + (task.instances is not None) * np.dtype(np.uint64).itemsize
    check_memory(
        f"the images of {task.name}",
        (image.dtype.itemsize + label_bytes) * math.prod(shape),
        remedy="raise z_step or downsample",
    )
    beyond = [box for crossing in crossings for box in crossing.boxes]
    image.prefetch([*(piece.box for piece in pieces), *beyond])
    if annotation is not None:
        annotation.prefetch(
            [*(piece.box for piece in labelled(task, pieces)), *(beyond if task.kind != "region" else ())]
        )
    images = np.empty(shape, image.dtype)
    masks = None if task.kind == "region" else np.empty(shape, np.uint8)
    instances = None if task.instances is None else np.empty(shape, np.uint64)
    region = np.empty(n, np.int64)
    # Storage that reads one box at a time gains nothing from a batch, and reports progress after each box.
    for batch in batches(pieces, _BATCH_BYTES if image.side_by_side else 0) if pieces else ():
        _read_batch(task, batch, image, annotation, images, masks, instances)
        _put_regions(task, batch, annotation, region)
        if progress is not None:
            progress(batch[-1].rows.stop, n)
    for crossing in crossings:
        _put_crossing(task, crossing, image, annotation, images, masks, region)
        if progress is not None:
            progress(crossing.row + 1, n)
    size = voxel_size_of(task, image)
    return TaskArrays(
        images=_squeezed(images, task),
        region=region,
        masks=None if masks is None else _squeezed(masks, task),
        sample_id=np.array(sample_id),
        region_names=task.regions,
        class_names=task.class_names,
        voxel_size_um=None
        if size is None
        else (size[0], size[1] * task.downsample, size[2] * task.downsample),
        fingerprint=task.fingerprint,
        intensity=image.window if isinstance(image, GreyVolume) else None,
        instances=None if instances is None else _squeezed(instances, task),
    )


def fetch(
    task: TaskSpec,
    split: str | Sequence[str],
    *,
    cache: "Cache",
    server: "BossServer | None" = None,
    progress: Progress | None = None,
) -> int:
    """Download all voxels of some splits into a cache; return their number, labels included.

    Parameters
    ----------
    task, split
        As in `load`; every slice is fetched, whatever ``z_step`` is.
    cache
        What to fill.
    server
        The database to ask; by default as in `open_volume`.
    progress
        Called with the number of voxels done and the number of all voxels.

    Raises
    ------
    ValueError, OSError
        As `load`.
    """
    opened = open_raw(task, task.split_names(split), cache=cache, server=server)
    volumes = [volume for volume in opened if volume is not None]
    cubes = [cube for name in task.split_names(split) for _, cube in task.boxes(name)]
    voxels = sum(cube.box.size for cube in cubes)
    for at, volume in enumerate(volumes):
        volume.prefetch(
            [cube.box for cube in cubes],
            progress=lambda done, of, at=at: _tell(progress, at + done / of, voxels, len(volumes)),
        )
        _tell(progress, at + 1, voxels, len(volumes))
    return voxels * len(volumes)


def _tell(progress: Progress | None, share: float, voxels: int, volumes: int) -> None:
    if progress is not None:
        progress(round(share * voxels), voxels * volumes)


def _read_batch(
    task: TaskSpec,
    batch: Sequence[Piece],
    image: Volume,
    annotation: Volume | None,
    images: np.ndarray,
    masks: np.ndarray | None,
    instances: np.ndarray | None,
) -> None:
    """Read the images of some pieces, and their masks and instances if the task has any."""
    boxes = [piece.box for piece in batch]
    places = _places(task, batch, images)
    # keep: a task's cubes are loaded repeatedly.
    if masks is None or annotation is None:
        grey = image.read_boxes(boxes, out=places, keep=True)
    else:
        in_place = annotation.dtype == np.uint8 and instances is None
        mask_places = _places(task, batch, masks) if in_place else None
        grey, labels = image.read_both(annotation, boxes, out=(places, mask_places), keep=True)
        for piece, some in zip(batch, labels, strict=True):
            # As images, so that boundaries within subvolumes do not reach across them.
            raw = stacked(task, piece, some)
            if mask_places is not None:
                mapped_labels(raw, task.label_map, what=piece.words, out=raw)
            else:
                mapped = mapped_labels(raw, task.label_map, what=piece.words)
                masks[piece.rows] = downsampled_labels(mapped, task.downsample)
                if task.instances is not None and instances is not None:
                    value = task.class_names.index(task.instances)
                    ids = downsampled_instances(raw, mapped == value, task.downsample)
                    instances[piece.rows] = np.where(masks[piece.rows] == value, ids, 0)
    if places is None:
        for piece, some in zip(batch, grey, strict=True):
            images[piece.rows] = downsampled_images(stacked(task, piece, some), task.downsample)


def _places(task: TaskSpec, batch: Sequence[Piece], result: np.ndarray) -> list[np.ndarray] | None:
    """Return the parts of the result to read pieces into, or ``None`` if they must be processed first."""
    if task.downsample > 1 or any(piece.starts.step != task.depth for piece in batch):
        return None
    return [result[piece.rows].reshape(-1, *result.shape[2:]) for piece in batch]


def _put_regions(
    task: TaskSpec, batch: Sequence[Piece], annotation: Volume | None, region: np.ndarray
) -> None:
    """Set each image's region: the majority of its labels if it has them, otherwise its cube's."""
    for piece in batch:
        region[piece.rows] = task.regions.index(task.cubes[piece.cube].region)
    if task.kind != "region" or annotation is None:
        return
    voting = labelled(task, batch)
    lo, hi = task.annotated_z or (0, annotation.shape[0])
    for piece, labels in zip(voting, annotation.read_boxes([piece.box for piece in voting]), strict=True):
        for at, z, voxels in zip(
            range(piece.rows.start, piece.rows.stop), piece.starts, stacked(task, piece, labels), strict=True
        ):
            if lo <= z and z + task.depth <= hi:
                region[at] = voted_region(voxels, task.roi_map, by=task.region_vote, what=piece.words)


def _put_crossing(
    task: TaskSpec,
    crossing: Crossing,
    image: Volume,
    annotation: Volume | None,
    images: np.ndarray,
    masks: np.ndarray | None,
    region: np.ndarray,
) -> None:
    """Read a subvolume that no cube holds whole; what it lacks is black and unlabelled."""
    row, boxes = crossing.row, crossing.boxes
    region[row] = task.regions.index(task.cubes[crossing.cube].region)
    grey = np.concatenate(image.read_boxes(boxes, keep=True))
    depth = len(grey)
    images[row] = 0
    images[row, :depth] = downsampled_images(grey, task.downsample)
    if annotation is None:
        return
    if masks is not None:
        mapped = mapped_labels(
            np.concatenate(annotation.read_boxes(boxes, keep=True)), task.label_map, what=crossing.words
        )
        masks[row] = UNLABELLED
        masks[row, :depth] = downsampled_labels(mapped, task.downsample)
        return
    lo, hi = task.annotated_z or (0, annotation.shape[0])
    if all(lo <= box.lower[0] and box.upper[0] <= hi for box in boxes):
        labels = np.concatenate(annotation.read_boxes(boxes, keep=True))
        region[row] = voted_region(labels, task.roi_map, by=task.region_vote, what=crossing.words)


def _squeezed(images: np.ndarray, task: TaskSpec) -> np.ndarray:
    return images[:, 0] if task.depth == 1 else images
