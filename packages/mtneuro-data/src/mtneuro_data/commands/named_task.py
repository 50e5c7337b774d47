"""A task as the commands are given it: by its name or file, and from where its voxels come."""

import warnings
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mtneuro_data.commands.terminal import aside

if TYPE_CHECKING:
    from mtneuro_data.cache import Cache
    from mtneuro_data.task import TaskSpec

Splits = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")]


def named_task(name: str, source: str | None) -> "TaskSpec":
    """Return the task of a name or file, from other volumes where they are said; warn where cubes touch."""
    from mtneuro_data.paper import builtin_task
    from mtneuro_data.task_file import TouchingCubesWarning, read_task

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", TouchingCubesWarning)
        task = read_task(name) if name.endswith((".json", ".toml")) else builtin_task(name)
    for warning in told:
        aside(f"mtneuro-data: warning: {warning.message}")
    return task if source is None else task.with_source(source)


def cache_for(task: "TaskSpec") -> "Cache | None":
    """Return the user's cache for a task from a database; files and phantoms are near enough."""
    from mtneuro_data.cache import Cache

    return Cache() if task.image.startswith("bossdb://") else None
