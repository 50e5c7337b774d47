"""``mtneuro-data tasks``: list the paper's tasks, or show one."""

import json
from collections.abc import Iterator

from mtneuro_data.commands._task import named_task


def tasks(name: str | None = None, /, *, source: str | None = None, schema: bool = False) -> Iterator[str]:
    """List the paper's tasks, or show one in full as a task file.

    Save what is shown, change it, and give the file to any command that takes a task; `mtneuro-data info`
    counts its images and names cubes that touch.

    Example: `mtneuro-data tasks roi-c1 > mine.json`

    Example: `mtneuro-data tasks --schema > task.schema.json`

    Parameters
    ----------
    name
        A task's name, or a task file (.json, .toml; the original benchmark's JSON too).
    source
        Volumes to read in place of the task's own: bossdb, phantom, or phantom?seed=7.
    schema
        Show the JSON Schema of task files instead, with which an editor completes and checks them.
    """
    from mtneuro_data.paper import builtin_task, task_names

    if schema:
        if name is not None or source is not None:
            raise ValueError(f"--schema is the same for every task: leave out {name or '--source'}")
        from mtneuro_data.task_file import task_schema

        yield json.dumps(task_schema(), indent=1)
        return
    if name is None:
        for each in task_names():
            counts = ", ".join(f"{split} {n}" for split, n in builtin_task(each).counts().items())
            yield f"{each:15} {builtin_task(each).kind:13} {counts}"
        return
    yield json.dumps(named_task(name, source).model_dump(mode="json"), indent=1)
