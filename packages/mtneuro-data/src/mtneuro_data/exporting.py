"""Write a task's cubes as volume files, for viewers and proofreading tools."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtneuro_data._shared.files import written_beside
from mtneuro_data.opening import open_task, voxel_size_of
from mtneuro_data.saving import FORMATS, save_volume
from mtneuro_data.sources.base import Progress
from mtneuro_data.task import TaskSpec

if TYPE_CHECKING:
    from mtneuro_data.cache.folder import Cache

_UNFINISHED = ".unfinished-export.json"
"""File that says which export has begun in a folder, until it ends."""


def export_cubes(
    task: TaskSpec,
    split: str | Sequence[str],
    folder: str | Path,
    /,
    *,
    ending: str,
    cache: "Cache | None" = None,
    progress: Progress | None = None,
) -> tuple[Path, ...]:
    """Write every cube of some splits as a volume, and its labels as another; return the files.

    They are named ``<split>-<cube>-z<first slice>-image`` and ``-labels``. Every slice is written at full
    resolution, whatever the task's ``z_step``, ``depth`` and ``downsample``. Labels are the database's own,
    not the task's classes, in the smallest type that holds them (a signed one only where some are below 0),
    so that what is corrected in a proofreading tool reads back as a label volume. An interrupted export goes
    on where it was: its volumes are whole, or not there.

    Parameters
    ----------
    task, split
        As in `load`.
    folder
        Where to write them; created if it does not exist.
    ending
        Format of the files, as `save_volume` knows them: ``.tif``, ``.zarr`` or ``.nii.gz``, for example.
    cache
        As in `load`.
    progress
        Called with the number of cubes done and the number of all cubes.

    Raises
    ------
    ValueError
        If there is no such format or split, or as `load`.
    OSError
        If a volume cannot be read, or a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from mtneuro_data import builtin_task
    >>> task = builtin_task("roi-c1").with_source("phantom").replaced(annotation=None)
    >>> part = task.splits["test"][0].model_copy(update={"z": (420, 421), "cubes": ("A-VP",)})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = export_cubes(task.replaced(splits={"test": (part,)}), "test", folder, ending=".tif")
    ...     [file.name for file in files]
    ['test-A-VP-z420-image.tif']
    """
    files = cube_files(task, split, folder, ending=ending)
    image, annotation = open_task(task, split, cache=cache)
    there = (
        {file for file in files if file.exists()} if is_begun(task, split, folder, ending=ending) else set()
    )
    mark = Path(folder) / _UNFINISHED
    with written_beside(mark) as beside:
        beside.write_text(_identity(task, split, ending), encoding="utf-8")
    size = voxel_size_of(task, image)
    cubes = [cube for name in task.split_names(split) for _, cube in task.boxes(name)]
    left = iter(files)
    for done, cube in enumerate(cubes, start=1):
        if (file := next(left)) not in there:
            save_volume(file, image.read(*cube.box), voxel_size_um=size)
        if annotation is not None and (file := next(left)) not in there:
            labels = annotation.read(*cube.box)
            smallest = labels.astype(_smallest_type(labels))
            save_volume(file, smallest, voxel_size_um=size, labels=True)
        if progress is not None:
            progress(done, len(cubes))
    mark.unlink()
    return files


def is_begun(task: TaskSpec, split: str | Sequence[str], folder: str | Path, /, *, ending: str) -> bool:
    """Return whether a folder holds this very export, interrupted; the parameters are `export_cubes`'s."""
    mark = Path(folder) / _UNFINISHED
    return mark.is_file() and mark.read_text(encoding="utf-8") == _identity(task, split, ending)


def _identity(task: TaskSpec, split: str | Sequence[str], ending: str) -> str:
    return json.dumps([task.fingerprint, task.split_names(split), ending])


def cube_files(
    task: TaskSpec, split: str | Sequence[str], folder: str | Path, /, *, ending: str
) -> tuple[Path, ...]:
    """Return the files that `export_cubes` writes, in its order.

    Raises
    ------
    ValueError
        If there is no such format or split.
    """
    if ending not in FORMATS:
        raise ValueError(f"ending must be one of {', '.join(FORMATS)}, got {ending!r}")
    kinds = ("image",) if task.annotation is None else ("image", "labels")
    return tuple(
        Path(folder) / f"{name}-{place}-z{cube.lower[0]}-{kind}{ending}"
        for name in task.split_names(split)
        for place, cube in task.boxes(name)
        for kind in kinds
    )


def _smallest_type(labels: np.ndarray) -> np.dtype[Any]:
    """Return the smallest type that holds labels; a signed one only where some are below 0."""
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest >= 0:
        return np.min_scalar_type(highest)
    # Of a signed type, -1 - n is as large as n.
    return np.min_scalar_type(min(lowest, -1 - highest))
