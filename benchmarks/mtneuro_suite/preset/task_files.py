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
        If two have one name, a split is missing, or the kinds do not make a benchmark.
    FileNotFoundError
        If a file is missing.
    """
    tasks = [read_task(Path(file).expanduser()) for file in files]
    names = [task.name for task in tasks]
    if len(set(names)) < len(names):
        raise ValueError(f"tasks must have names of their own, got {', '.join(names)}")
    for task in tasks:
        wanted = ("all",) if task.kind == "semantics" else ("train", "test")
        for split in wanted:
            if split not in task.splits:
                raise ValueError(
                    f"task {task.name!r} of kind {task.kind} must have the split {split!r}, got "
                    f"{', '.join(task.splits)}"
                )
    kinds = [task.kind for task in tasks]
    if kinds.count("semantics") > 1:
        raise ValueError("features are read off one set of images: give one task of kind semantics")
    if "semantics" in kinds and "region" not in kinds:
        raise ValueError(
            "a task of kind semantics reads out encoders: give a task of kind region, to train them"
        )
    return tasks
