"""Options that several commands share: a task by name or file, and the cache to read it through."""

import sys
import warnings
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from mtneuro_data.cache.folder import Cache
    from mtneuro_data.task import TaskSpec

Splits = Annotated[tuple[str, ...], Parameter(consume_multiple=True, show_default=False)]


Intensity = Annotated[
    str | None,
    Parameter(
        help="The intensities that become black and white where an image is not uint8, LO:HI, such as "
        "0:4095, or percentiles of the training images, 0.5%:99.5%. By default as in the task."
    ),
]
"""The window of a task's image."""


def named_task(name: str, source: str | None, intensity: str | None = None) -> "TaskSpec":
    """Return the task of a name or file, over other volumes if a source is given; its warnings are told."""
    from mtneuro_data._shared.intensity import parsed_levels
    from mtneuro_data.paper import builtin_task
    from mtneuro_data.task_file import read_task

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        task = read_task(name) if name.endswith((".json", ".toml")) else builtin_task(name)
    for warning in told:
        sys.stderr.write(f"mtneuro-data: warning: {warning.message}\n")
    task = task if source is None else task.with_source(source)
    return task if intensity is None else task.replaced(intensity=parsed_levels(intensity))


def counted(n: int, what: str) -> str:
    """Return a number with what it counts.

    Examples
    --------
    >>> counted(1, "image"), counted(1080, "image")
    ('1 image', '1080 images')
    """
    return f"{n} {what}{'' if n == 1 else 's'}"


def cache_for(uri: str) -> "Cache | None":
    """Return the user's cache for a volume read over a network; files and phantoms are read directly."""
    from mtneuro_data.cache.folder import Cache
    from mtneuro_data.sources import locate

    return Cache() if locate(uri).remote else None
