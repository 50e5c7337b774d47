"""Keep the history of a training run, write its checkpoints, and report its progress."""

import csv
import io
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from torch import Tensor
from typing_extensions import override

from mtneuro_ssl._shared.files import written_beside
from mtneuro_ssl._shared.logs import log_row
from mtneuro_ssl._shared.model_folder import HISTORY
from mtneuro_ssl.types import Progress

CHECKPOINT = "checkpoint.ckpt"

_LOGGED = 200
"""Number of steps of a training that loggers are given: each of them waits for the device."""


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    r"""Return rows as the text of a CSV file.

    Examples
    --------
    >>> csv_text([["step", "loss"], [1, 0.5]])
    'step,loss\n1,0.5\n'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


class Recorder(Callback):
    """Keep the history, write checkpoints, and report progress and some rows to loggers."""

    def __init__(
        self,
        partial: Path,
        *,
        epoch_steps: int,
        every: float,
        progress: Progress | None,
        loggers: Sequence[Logger] = (),
    ) -> None:
        self.partial = partial
        self.epoch_steps = epoch_steps
        self.every = every
        self.progress = progress
        self.loggers = loggers
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
        if self.loggers and (step == total or step % max(total // _LOGGED, 1) == 0):
            self.collect()
            log_row(self.loggers, dict(zip(self.columns, self.rows[-1], strict=True)), step=step)
        if step == total or time.monotonic() - self._saved >= self.every:
            self.collect()
            # Every process takes part; only the first writes.
            trainer.save_checkpoint(self.partial / CHECKPOINT)
            if trainer.is_global_zero:
                with written_beside(self.partial / HISTORY) as beside:
                    beside.write_text(self.as_csv(), encoding="utf-8")
            self._saved = time.monotonic()
        if self.progress is not None:
            self.progress(step, total)

    def collect(self) -> None:
        """Move logs that are still on the device into rows; rarely, since this waits for the device.

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
        return csv_text([self.columns, *self.rows])

    def state_dict(self) -> dict[str, Any]:
        """Return the history, for a checkpoint."""
        return {"columns": self.columns, "rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the history back from a checkpoint."""
        self.columns, self.rows = state_dict["columns"], state_dict["rows"]
