"""Train by Lightning's ``Trainer``: quietly, and with Ctrl-C as Python has it."""

import io
import logging
import signal
import threading
import warnings
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.plugins.environments import LightningEnvironment
from typing_extensions import override

from .files import written_beside


def new_trainer(**options: Any) -> Trainer:
    """Return a ``Trainer`` without bars, loggers and checkpoints of its own; the options are Lightning's."""
    quiet: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        # Not the cluster's: a worker of a SLURM job trains alone.
        "plugins": [LightningEnvironment(), _Checkpoints()],
    }
    with _quiet_lightning():
        return Trainer(**(quiet | options))


def fit(trainer: Trainer, module: LightningModule, *, loader: Iterable[Any], checkpoint: Path) -> None:
    """Train the module to the end, from the checkpoint if there is one.

    Nothing in the checkpoint is executed. Ctrl-C raises ``KeyboardInterrupt``: Lightning alone would end the
    interpreter, and leave further Ctrl-C ignored.
    """
    resumed = checkpoint if checkpoint.is_file() else None
    in_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        with _quiet_lightning():
            trainer.fit(module, train_dataloaders=loader, ckpt_path=resumed)
    except SystemExit:
        if not trainer.interrupted:
            raise
        if in_main:
            signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


class _Checkpoints(TorchCheckpointIO):
    """Writes checkpoints beside their place, not by way of ``TMPDIR``, and executes nothing in them."""

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        # Not into the file itself: torch reports a full disk as a wrong position in the file.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with written_beside(path) as beside:
            beside.write_bytes(content.getbuffer())

    @override
    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return torch.load(path, map_location=map_location, weights_only=True)


@contextmanager
def _quiet_lightning() -> Generator[None]:
    """Keep Lightning's warnings and errors, and silence its announcements."""
    # torch's own deprecation, met inside Lightning, and advice for wherever SLURM is installed. Not undone:
    # undoing filters is not safe between threads.
    warnings.filterwarnings("ignore", r".*isinstance\(treespec, LeafSpec\)", FutureWarning)
    warnings.filterwarnings("ignore", r"The `srun` command is available", UserWarning)
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
