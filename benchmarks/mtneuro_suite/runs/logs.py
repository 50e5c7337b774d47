"""Where the trainings of a run are logged: asked for beside it, so that its name does not depend on it."""

import os
import re
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = "logs"
"""Folder of the logs in the output folder."""


@dataclass(frozen=True, slots=True)
class _Asked:
    names: tuple[str, ...]
    folder: Path
    run: str


_ASKED: ContextVar[_Asked | None] = ContextVar("asked logs", default=None)


@contextmanager
def logging_to(names: Sequence[str], root: Path, run: str) -> Generator[None]:
    """Have the trainings of a run inside the block logged.

    Parameters
    ----------
    names
        Of the logs, as the packages' ``run_loggers`` take them.
    root
        The output folder, in which the logs' folder is.
    run
        What the run is called there.
    """
    if not names:
        yield
        return
    # A folder of TensorBoard's has this name, too.
    called = re.sub(r"[^\w.,()+= -]", "_", run)
    # Its greetings would run into the progress of all runs.
    os.environ.setdefault("WANDB_SILENT", "true")
    before = _ASKED.set(_Asked(tuple(names), root / FOLDER, called))
    try:
        yield
    finally:
        _ASKED.reset(before)


def training_logs(make: Callable[..., list[Any]], out: Path) -> list[Any]:
    """Return the loggers of a training that writes a model folder; none where none are asked for.

    Parameters
    ----------
    make
        The package's ``run_loggers``.
    out
        The model folder.
    """
    asked = _ASKED.get()
    return [] if asked is None else make(asked.names, out=out, folder=asked.folder, run=asked.run)
