"""The task files that a preset names, for a user's own dataset."""

from collections.abc import Sequence
from pathlib import Path

from mtneuro_data import TaskSpec, read_task

SECTIONS = {"region": "task1", "segmentation": "task2", "semantics": "task3"}
"""Section of a preset that says how each kind of task is run."""


def read_tasks(files: Sequence[str]) -> list[TaskSpec]:
    """Return the tasks in files.

    Raises
    ------
    ValueError
        If two have one name, a split is missing, two are of kind semantics, or intensities are percentiles.
    FileNotFoundError
        If a file is missing.
    """
    tasks = [read_task(Path(file).expanduser()) for file in files]
    names = [task.name for task in tasks]
    if len(set(names)) < len(names):
        raise ValueError(f"tasks must have names of their own, got {', '.join(names)}")
    for task in tasks:
        # Each part is read by itself, and its percentiles would be its own.
        if any(isinstance(level, str) for level in task.intensity or ()):
            raise ValueError(
                f"task {task.name!r}: intensity must be numbers here, got {list(task.intensity or ())}; "
                "`mtneuro-data info` tells those that its percentiles stand for"
            )
        wanted = ("all",) if task.kind == "semantics" else ("train", "test")
        for split in wanted:
            if split not in task.splits:
                raise ValueError(
                    f"task {task.name!r} of kind {task.kind} must have the split {split!r}, got "
                    f"{', '.join(task.splits)}"
                )
    if [task.kind for task in tasks].count("semantics") > 1:
        raise ValueError("features are read off one set of images: give one task of kind semantics")
    return tasks


def learnt_splits(task: TaskSpec) -> tuple[str, ...]:
    """Return the splits of a task that are learnt from: ``train`` and ``val``, or ``all`` of semantics."""
    wanted = ("all",) if task.kind == "semantics" else ("train", "val")
    return tuple(name for name in wanted if name in task.splits)


def regions_to_tell_apart(task: TaskSpec) -> tuple[str, ...]:
    """Return the regions of the images that are learnt from.

    Examples
    --------
    >>> from mtneuro_data import builtin_task
    >>> regions_to_tell_apart(builtin_task("roi-c1"))
    ('CTX', 'STR', 'VP', 'ZI')
    """
    cubes = {name for split in learnt_splits(task) for part in task.splits[split] for name in part.cubes}
    found = {task.cubes[name].region for name in cubes}
    if task.kind == "region" and task.annotation is not None:
        found |= {task.regions[region] for region in task.roi_map.values()}
    return tuple(name for name in task.regions if name in found)
