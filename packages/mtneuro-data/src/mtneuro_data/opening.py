"""Open the volumes of a task, and check them before anything is read."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mtneuro_data._shared.intensity import not_grey, seen_range
from mtneuro_data.box import Box
from mtneuro_data.grey import GreyVolume, resolved_window
from mtneuro_data.sources.lengths import in_words
from mtneuro_data.task import TaskSpec
from mtneuro_data.volume import Volume, open_volume

if TYPE_CHECKING:
    from mtneuro_data.cache.folder import Cache
    from mtneuro_data.sources.boss import BossServer


def open_task(
    task: TaskSpec,
    split: str | Sequence[str] | None = None,
    *,
    cache: "Cache | None" = None,
    server: "BossServer | None" = None,
) -> tuple[Volume, Volume | None]:
    """Open the image volume and the label volume of a task, and check that its boxes lie inside.

    Parameters
    ----------
    task
        The task; the second volume is ``None`` where it has no annotation. Where it has a window of
        intensities, the first gives grey levels; percentiles are taken of the volume here.
    split
        A split's name, or several, whose boxes are checked; all of them by default.
    cache
        Where chunks from a database are kept.
    server
        The database to ask; by default as in `open_volume`.

    Raises
    ------
    ValueError
        If the task has no such split, the types or shapes are wrong, a cube leaves the volume, or the voxel
        sizes of task and volume differ.
    OSError
        If a volume cannot be opened.

    Examples
    --------
    >>> from mtneuro_data import builtin_task
    >>> image, labels = open_task(builtin_task("seg-2d-4class").with_source("phantom"))
    >>> image.shape == labels.shape
    True
    """
    splits = task.split_names(tuple(task.splits) if split is None else split)
    image, annotation = open_raw(task, splits, cache=cache, server=server)
    if task.intensity is not None:
        window = resolved_window(task.intensity, task, image)
        return GreyVolume(image, window=window, grey=task.image_type), annotation
    if image.dtype != np.uint8:
        cube = task.boxes(splits[0])[0][1]
        z = (cube.lower[0] + cube.upper[0]) // 2
        some = Box((z, *cube.lower[1:]), (z + 1, *cube.upper[1:]))
        hint = "intensity = [{low}, {high}] in the task"
        raise ValueError(not_grey(image.uri, image.dtype, lambda: seen_range(image.read(*some)), hint=hint))
    return image, annotation


def open_raw(
    task: TaskSpec,
    splits: Sequence[str],
    *,
    cache: "Cache | None" = None,
    server: "BossServer | None" = None,
) -> tuple[Volume, Volume | None]:
    """Open the volumes of a task as `open_task` does, whatever the image's type, and without its window."""
    image = open_volume(task.image, cache=cache, server=server)
    annotation = None
    if task.annotation is not None:
        annotation = open_volume(task.annotation, cache=cache, server=server)
        if annotation.dtype.kind not in "ui":
            raise ValueError(
                f"{annotation.uri}: a label volume must hold whole numbers, got {annotation.dtype}"
            )
        if annotation.shape != image.shape:
            raise ValueError(
                "image and annotation must have one shape (z, y, x): "
                f"{image.uri} has {image.shape}, {annotation.uri} has {annotation.shape}"
            )
    for name, cube in (item for each in splits for item in task.boxes(each)):
        try:
            Box.inside(cube.lower, cube.upper, image.shape, what=image.uri)
        except IndexError as error:
            raise ValueError(f"task {task.name}, cube {name}: {error}") from None
    voxel_size_of(task, image)
    return image, annotation


def voxel_size_of(task: TaskSpec, image: Volume) -> tuple[float, float, float] | None:
    """Return the edges of a voxel of a task's volume in micrometres, or ``None`` where nobody states them.

    Raises
    ------
    ValueError
        If the task and the volume state sizes that differ by more than 1 in 1000.
    """
    stated, found = task.voxel_size_um, image.voxel_size_um
    if stated is None:
        return found
    if found is not None and not all(map(_same_length, stated, found)):
        raise ValueError(
            f"voxel_size_um of the task {task.name} must be that of {image.uri}, {in_words(found)} "
            f"(z, y, x), got {in_words(stated)}: leave it out of the task, or name the volume whose size "
            "it is"
        )
    return stated


def _same_length(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-3)
