"""Write a training's losses for TensorBoard."""

import os

from lightning.pytorch.loggers import TensorBoardLogger

from .extras import check_extra


def tensorboard_logger(
    folder: str | os.PathLike[str], /, *, run: str = "", first_step: int | None = None
) -> TensorBoardLogger:
    """Return a Lightning logger that writes TensorBoard's files into ``<folder>/<run>``.

    Parameters
    ----------
    folder
        TensorBoard's folder. A run that goes on after an interruption adds to the same place.
    run
        Name of the run, where the folder holds several.
    first_step
        First step that will be logged: what an interrupted run had logged from there on is hidden.

    Raises
    ------
    ValueError
        If the package ``tensorboard`` is not installed.
    """
    check_extra("tensorboard", extra="tensorboard", what="a TensorBoard log")
    return TensorBoardLogger(os.fspath(folder), name="", version=run, purge_step=first_step)
