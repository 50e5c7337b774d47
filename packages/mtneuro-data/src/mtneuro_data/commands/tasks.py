"""``mtneuro-data tasks``: list the paper's tasks, or show one."""

import json
from collections.abc import Iterator
from typing import Any, Literal

from mtneuro_data.commands._task import named_task


def tasks(
    name: str | None = None,
    /,
    *,
    source: str | None = None,
    reading: Literal["text", "original"] | None = None,
    extra: Literal["B", "C", "D"] | None = None,
    schema: bool = False,
) -> Iterator[str]:
    """List the paper's tasks, or show one in full as a task file.

    Save what is shown, change it, and give the file to any command that takes a task; `mtneuro-data info`
    counts its images and names cubes that touch.

    Example: `mtneuro-data tasks roi-c1 > mine.json`

    Example: `mtneuro-data tasks roi-c3 --extra D > other.json`

    Example: `mtneuro-data tasks --schema > task.schema.json`

    Parameters
    ----------
    name
        A task's name, or a task file (.json, .toml; the original benchmark's JSON too).
    source
        Volumes to read in place of the task's own: bossdb, phantom, or phantom?seed=7.
    reading
        Of a task of the paper: as its text says, which is the default, or as the authors' code does it.
    extra
        Of roi-c2 and roi-c3: the cube set that ROI-C3 adds to training, by default B; both test on the two
        that are left.
    schema
        Show the JSON Schema of task files instead, with which an editor completes and checks them.
    """
    from mtneuro_data.paper import builtin_task, task_names

    given = {"reading": reading, "extra": extra}
    chosen: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if schema:
        for key, value in {"source": source, **given}.items():
            if name is not None or value is not None:
                raise ValueError(f"--schema is the same for every task: leave out {name or f'--{key}'}")
        from mtneuro_data.task_file import task_schema

        yield json.dumps(task_schema(), indent=1)
        return
    if name is None:
        for each in task_names():
            task = builtin_task(each, **chosen)
            counts = ", ".join(f"{split} {n}" for split, n in task.counts().items())
            yield f"{each:15} {task.kind:13} {counts}"
        return
    if extra is not None and not (name in task_names() and name.startswith(("roi-c2", "roi-c3"))):
        raise ValueError(f"--extra is a choice of roi-c2 and roi-c3, got {name}; leave it out")
    if chosen and name not in task_names():
        raise ValueError(f"--reading is a choice of the paper's tasks, got {name}; leave it out")
    task = builtin_task(name, **chosen) if chosen else named_task(name, None)
    task = task if source is None else task.with_source(source)
    yield json.dumps(task.model_dump(mode="json"), indent=1)
