"""The history of a training as TensorBoard reads it."""

import math
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

_TAGS = {
    "loss": "loss/training",
    "val_loss": "loss/validation",
    "val_iou": "score/mean IoU",
    "val_f1": "score/mean F1",
}


def check_event_log() -> None:
    """Raise unless the package that writes TensorBoard's files is installed.

    Raises
    ------
    ValueError
        Naming the extra to install.
    """
    if find_spec("tensorboard") is None:
        raise ValueError(
            "a TensorBoard log needs the package 'tensorboard': pip install 'mtneuro-seg[tensorboard]'"
        )


@contextmanager
def event_log(folder: str | os.PathLike[str]) -> Generator[Callable[[Mapping[str, float]], None]]:
    """Give a function that adds one row of a history, an epoch, to the log in a folder.

    A resumed training adds to the log of the interrupted one; what that one had logged beyond the step where
    it is taken up is hidden.
    """
    from torch.utils.tensorboard import SummaryWriter

    writers: list[Any] = []

    def add(row: Mapping[str, float]) -> None:
        step = int(row["step"])
        if not writers:
            writers.append(SummaryWriter(os.fspath(folder), purge_step=step))
        for name, tag in _TAGS.items():
            if not math.isnan(row[name]):
                writers[0].add_scalar(tag, row[name], step)
        # An epoch can last an hour: it is shown when it ends.
        writers[0].flush()

    try:
        yield add
    finally:
        for writer in writers:
            writer.close()
