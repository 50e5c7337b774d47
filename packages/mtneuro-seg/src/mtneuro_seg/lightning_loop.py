"""The training loop, on Lightning's Trainer: one module, one callback, one quiet trainer."""

import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from safetensors.torch import load_file

from mtneuro_seg.compilation import compilation_named
from mtneuro_seg.event_log import event_log
from mtneuro_seg.journal import Journal
from mtneuro_seg.memory import memory_named
from mtneuro_seg.segmenter import Segmenter


def fitted(
    segmenter: Segmenter,
    *,
    checkpoint: Path,
    best: Path,
    device: str,
    tensorboard: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, float], ...]:
    """Train the segmenter's network to the end of its schedule and return the history.

    Starts from ``checkpoint`` where it exists, and renews it as training goes on. Where the settings keep the
    best weights, they pass through the file ``best``, and the network ends with them. The history goes to the
    folder ``tensorboard`` too, where one is given.
    """
    steps = segmenter.schedule.steps
    with (
        ExitStack() as stack,
        _quiet(),
        _random_state_kept(device),
        _interruptible(),
        memory_named("training", lower="lower batch_size, raise accumulate, or take a smaller network"),
        _deterministic(segmenter.settings.deterministic),
    ):
        if segmenter.settings.compile:
            stack.enter_context(compilation_named())
        log = None if tensorboard is None else stack.enter_context(event_log(tensorboard))
        journal = Journal(checkpoint, best=best, progress=progress, log=log)
        trainer = pl.Trainer(
            accelerator=device,
            devices=1,
            precision=segmenter.settings.precision,
            max_steps=steps,
            max_epochs=-1,
            min_epochs=0,  # or an early stop would wait for the one pass to end
            callbacks=[journal],
            # Never the cluster's: a worker of a SLURM job trains alone.
            plugins=[LightningEnvironment()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        # Batches follow from the step alone: all steps are one pass to Lightning, and the loader only counts.
        loader: Any = range(steps)
        resume = checkpoint if checkpoint.is_file() else None
        trainer.fit(segmenter, loader, ckpt_path=resume, weights_only=True if resume else None)
    if segmenter.settings.keep == "best":
        segmenter.network.load_state_dict(load_file(best))
    return tuple(journal.rows)


@contextmanager
def _deterministic(wanted: bool) -> Generator[None]:
    """Use deterministic algorithms and one thread for a while."""
    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    # What cuBLAS asks for; read when its first handle is made.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.set_num_threads(before[1])


@contextmanager
def _quiet() -> Generator[None]:
    """Silence Lightning's notices of the machine and its advice, which do not concern our callers."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", r"The `srun` command is available", UserWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _random_state_kept(device: str) -> Generator[None]:
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device == "cuda" else []):
        yield


@contextmanager
def _interruptible() -> Generator[None]:
    """Let Ctrl-C through as KeyboardInterrupt: Lightning turns it into an exit, and mutes the next one."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SIGTERMException:
        raise
    except SystemExit as stop:
        raise KeyboardInterrupt from stop
    finally:
        if main and handler is not None:
            signal.signal(signal.SIGINT, handler)
