"""The training loop: Lightning's ``Trainer`` over the steps of a schedule."""

import os
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from lightning.pytorch.loggers import Logger
from safetensors.torch import load_file

from mtneuro_seg._shared import trainer
from mtneuro_seg._shared.compilation import compilation_errors_named
from mtneuro_seg._shared.devices import missing_operations_named, random_state_kept
from mtneuro_seg._shared.logs import logged
from mtneuro_seg._shared.memory import memory_errors_named
from mtneuro_seg.recorder import Recorder
from mtneuro_seg.segmenter import Segmenter


def fit(
    segmenter: Segmenter,
    *,
    checkpoint: Path,
    best: Path,
    device: torch.device,
    loggers: Sequence[Logger] = (),
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, float], ...]:
    """Train the segmenter's network to the end of its schedule and return the history.

    Starts from ``checkpoint`` if it exists, and renews it as training goes on. If the settings keep the best
    weights, these are stored in the file ``best`` and loaded at the end. Loggers are given the settings and
    the history.
    """
    steps = segmenter.schedule.steps
    with (
        ExitStack() as stack,
        random_state_kept(device),
        missing_operations_named(),
        memory_errors_named(
            "training", remedy="lower batch_size, raise accumulate, or take a smaller network"
        ),
    ):
        if segmenter.settings.deterministic:
            stack.enter_context(_deterministic())
        if segmenter.settings.compile:
            stack.enter_context(compilation_errors_named())
        stack.enter_context(logged(loggers, segmenter.settings.model_dump(mode="json")))
        recorder = Recorder(checkpoint, best=best, progress=progress, loggers=loggers)
        # Batches follow from the step number alone, so the loader only counts; Lightning sees one long epoch.
        warnings.filterwarnings(
            "ignore", "You're resuming from a checkpoint that ended before the epoch ended"
        )
        trainer.fit(
            trainer.new_trainer(
                accelerator=device.type,
                devices=1,
                precision=segmenter.settings.precision,
                max_steps=steps,
                max_epochs=-1,
                min_epochs=0,  # otherwise early stopping would wait until the single pass ends
                callbacks=[recorder],
            ),
            segmenter,
            loader=range(steps),
            checkpoint=checkpoint,
        )
    if segmenter.settings.keep == "best":
        segmenter.network.load_state_dict(load_file(best))
    return tuple(recorder.rows)


@contextmanager
def _deterministic() -> Generator[None]:
    """Use deterministic algorithms and one thread inside the block."""
    before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    # cuBLAS needs this to be deterministic, and reads it when its first handle is made.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.set_num_threads(before[1])
