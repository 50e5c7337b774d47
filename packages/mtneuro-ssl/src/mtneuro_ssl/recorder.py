"""What a run leaves behind while it goes on: its history and its checkpoints."""

import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from mtneuro_ssl.model import Progress

CHECKPOINT = "checkpoint.ckpt"


class Steps:
    """The loader: step numbers, from wherever a checkpoint left off."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.start = 0
        self.reached = 0

    def __len__(self) -> int:
        return self.total

    def __iter__(self) -> Iterator[int]:
        for step in range(self.start, self.total):
            self.reached = step + 1
            yield step

    def state_dict(self) -> dict[str, int]:
        """Return how far the loader has come, for a checkpoint."""
        return {"reached": self.reached}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a checkpoint."""
        self.start = state["reached"]


class Recorder(Callback):
    """Keeps the history, writes checkpoints, and reports progress."""

    def __init__(self, partial: Path, *, epoch_steps: int, every: float, progress: Progress | None) -> None:
        self.partial = partial
        self.epoch_steps = epoch_steps
        self.every = every
        self.progress = progress
        self.columns: list[str] = []
        self.rows: list[list[float]] = []
        self._pending: list[tuple[int, float, dict[str, Tensor]]] = []
        self._rate = 0.0
        self._saved = time.monotonic()

    @override
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note the learning rate of the step, which the scheduler changes before its end."""
        self._rate = trainer.optimizers[0].param_groups[0]["lr"]

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the step's logs, and now and then a checkpoint."""
        step, total = trainer.global_step, trainer.max_steps
        self._pending.append((step, self._rate, outputs))
        if step == total or time.monotonic() - self._saved >= self.every:
            self.collect()
            beside = self.partial / f"{CHECKPOINT}.new"
            trainer.save_checkpoint(beside)
            if trainer.is_global_zero:
                beside.replace(self.partial / CHECKPOINT)
                write_whole(self.partial / "history.csv", self.as_csv())
            self._saved = time.monotonic()
        if self.progress is not None:
            self.progress(step, total)

    def collect(self) -> None:
        """Move what the device still holds into rows: once in a while, since it waits for the device.

        Raises
        ------
        ValueError
            If a loss is not finite.
        """
        for step, rate, logs in self._pending:
            values = {name: float(value) for name, value in logs.items()}
            if not np.isfinite(values["loss"]):
                raise ValueError(
                    f"loss must stay finite, got {values['loss']} at step {step}: lower learning_rate"
                )
            self.columns = ["step", "epoch", *values, "learning_rate"]
            self.rows.append([step, (step - 1) // self.epoch_steps + 1, *values.values(), rate])
        self._pending.clear()

    def as_csv(self) -> str:
        """Return the history so far."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.columns, *self.rows])
        return text.getvalue()

    def state_dict(self) -> dict[str, Any]:
        """Return the history, for a checkpoint."""
        return {"columns": self.columns, "rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the history back from a checkpoint."""
        self.columns, self.rows = state_dict["columns"], state_dict["rows"]


def write_whole(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
