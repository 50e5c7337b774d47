"""Open the volumes of a task, and check them before anything is read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mtneuro_data.box import Box
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
        The task; the second volume is ``None`` where it has no annotation.
    split
        A split's name, or several, whose boxes are checked; all of them by default.
    cache
        Where chunks from a database are kept.
    server
        The database to ask; by default as in `open_volume`.

    Raises
    ------
    ValueError
        If the task has no such split, the types or shapes are wrong, or a cube leaves the volume.
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
    image = open_volume(task.image, cache=cache, server=server)
    if image.dtype != np.uint8:
        raise ValueError(f"{image.uri}: an image volume must be uint8, got {image.dtype}")
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
    return image, annotation
