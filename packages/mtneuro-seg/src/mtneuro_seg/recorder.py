"""Record the history of a training, report its progress, and write its resume points."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.loggers import Logger
from safetensors.torch import save_file
from torch import Tensor

from mtneuro_seg._shared.devices import in_double
from mtneuro_seg._shared.files import written_beside
from mtneuro_seg._shared.logs import log_row
from mtneuro_seg._shared.model_folder import separate
from mtneuro_seg.metrics import scores
from mtneuro_seg.segmenter import Segmenter

_LOG = logging.getLogger(__name__)


class Recorder(pl.Callback):
    """Keep the history, report progress, and leave resume points.

    Parameters
    ----------
    checkpoint
        The resume point.
    best
        File for the weights of the best epoch, if the settings keep them.
    progress
        Called with (steps done, steps in all).
    loggers
        Lightning's loggers, which are given each row of the history.
    """

    def __init__(
        self,
        checkpoint: Path,
        *,
        best: Path,
        progress: Callable[[int, int], None] | None = None,
        loggers: Sequence[Logger] = (),
    ) -> None:
        self.rows: list[dict[str, float]] = []
        self._checkpoint = checkpoint
        self._best = best
        self._progress = progress
        self._loggers = loggers
        self._loss: Tensor | float = 0.0
        self._labelled: Tensor | float = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs: the rows so far, and the running mean of this epoch."""
        return {"rows": self.rows, "loss": float(self._loss), "labelled": float(self._labelled)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of an interrupted run."""
        self.rows, self._loss = state_dict["rows"], state_dict["loss"]
        # An earlier version counted steps.
        self._labelled = state_dict.get("labelled", state_dict.get("steps", 0.0))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop again where an interrupted run had stopped early."""
        if isinstance(pl_module, Segmenter):
            trainer.should_stop = self._has_stalled(pl_module.settings.patience)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the step; close the epoch where it ends."""
        del batch, batch_idx
        if not isinstance(pl_module, Segmenter):
            raise TypeError(f"the module must be a Segmenter, got {type(pl_module).__name__}")
        step, schedule = trainer.global_step, pl_module.schedule
        # Kept on the device, in double precision: no step waits for a GPU, and a resumed sum is the same.
        labelled = in_double(outputs["labelled"])
        self._loss = self._loss + in_double(outputs["loss"].detach()) * labelled
        self._labelled = self._labelled + labelled
        closes = step % schedule.steps_per_epoch == 0 or step == schedule.steps
        if closes:
            self._close_epoch(step, pl_module)
            trainer.should_stop = self._has_stalled(pl_module.settings.patience)
        if closes or step % pl_module.settings.checkpoint_every == 0:
            trainer.save_checkpoint(self._checkpoint)
        if self._progress is not None:
            self._progress(step, schedule.steps)

    def _close_epoch(self, step: int, segmenter: Segmenter) -> None:
        # By labelled pixels: a mean of the steps' means would count a step with few of them as much as any.
        loss = float(self._loss) / max(float(self._labelled), 1e-12)
        if not np.isfinite(loss):
            raise ValueError(
                f"the training loss must stay finite, got {loss} in the epoch up to step {step}; lower "
                f"learning_rate (now {segmenter.settings.learning_rate}) or set precision='32-true'"
            )
        row = dict.fromkeys(("val_loss", "val_iou", "val_f1"), float("nan"))
        if segmenter.validation is not None:
            val_loss, confusion = segmenter.validate()
            result = scores(confusion)
            row = {"val_loss": val_loss, "val_iou": result.mean_iou, "val_f1": result.mean_f1}
        epoch = -(-step // segmenter.schedule.steps_per_epoch)
        self.rows.append({"epoch": epoch, "step": step, "loss": loss} | row)
        _LOG.info("epoch %d: loss %.4f, validation IoU %.3f", epoch, loss, row["val_iou"])
        log_row(self._loggers, self.rows[-1], step=step)
        self._loss = self._labelled = 0.0
        if segmenter.settings.keep == "best" and len(self.rows) - 1 == self._best_row():
            weights = segmenter.network.state_dict()
            with written_beside(self._best) as beside:
                save_file(separate(weights), beside)

    def _best_row(self) -> int:
        """Return the position of the first epoch with the best validation IoU."""
        return int(np.argmax(np.nan_to_num([row["val_iou"] for row in self.rows], nan=-1.0)))

    def _has_stalled(self, patience: int | None) -> bool:
        """Return whether the last ``patience`` epochs brought no better score."""
        return bool(self.rows) and patience is not None and len(self.rows) - 1 - self._best_row() >= patience
