"""Logs for other programs, on request."""

from importlib.util import find_spec
from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger


def tensorboard_logger(folder: Path | str, *, run: str) -> TensorBoardLogger:
    """Return a logger for `train` that writes a run's losses for TensorBoard, in ``<folder>/<run>``.

    A run that goes on after an interruption goes on in the same place.

    Raises
    ------
    ValueError
        If the package ``tensorboard`` is not installed.
    """
    if find_spec("tensorboard") is None:
        raise ValueError(
            "TensorBoard's logs need the package 'tensorboard': pip install 'mtneuro-ssl[tensorboard]'"
        )
    return TensorBoardLogger(folder, name="", version=run)
