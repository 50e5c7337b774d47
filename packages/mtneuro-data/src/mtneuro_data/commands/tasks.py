"""``mtneuro-data tasks``: list the paper's tasks, or show one."""

import json
from collections.abc import Iterator

from mtneuro_data.commands._task import named_task


def tasks(name: str | None = None, /, *, source: str | None = None) -> Iterator[str]:
    """List the paper's tasks, or show one in full as JSON, with its counts.

    Without its last three keys, the JSON is a task file: save it, change it, and give the file to any command
    that takes a task.

    Example: `mtneuro-data tasks roi-c1`

    Parameters
    ----------
    name
        A task's name, or a task file (.json, .toml; the original benchmark's JSON too).
    source
        Volumes to read in place of the task's own: bossdb, phantom, or phantom?seed=7.
    """
    from mtneuro_data.paper import builtin_task, task_names

    if name is None:
        for each in task_names():
            counts = ", ".join(f"{split} {n}" for split, n in builtin_task(each).counts().items())
            yield f"{each:15} {builtin_task(each).kind:13} {counts}"
        return
    task = named_task(name, source)
    resolved = task.model_dump(mode="json")
    resolved |= {"counts": task.counts(), "touching": task.touching(), "fingerprint": task.fingerprint}
    yield json.dumps(resolved, indent=1)
