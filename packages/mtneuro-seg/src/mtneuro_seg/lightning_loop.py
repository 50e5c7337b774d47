"""The training loop, on Lightning's Trainer: one module, one callback, one quiet trainer."""

import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
import torch
from jaxtyping import Float, Int64, Integer, UInt8
from lightning.pytorch.utilities.exceptions import SIGTERMException
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mtneuro_seg.augmentation import augmented
from mtneuro_seg.inference import most_probable
from mtneuro_seg.losses import LOSSES, balanced_weights
from mtneuro_seg.memory import memory_named
from mtneuro_seg.metrics import confusion_matrix, scores
from mtneuro_seg.model import normalised
from mtneuro_seg.schedule import Schedule
from mtneuro_seg.settings import TrainSettings

_LOG = logging.getLogger(__name__)


class Segmenter(pl.LightningModule):
    """A network with its images, as Lightning trains it.

    All images lie on the device as one uint8 array; a batch is an index into it.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: TrainSettings,
        *,
        schedule: Schedule,
        images: UInt8[np.ndarray, "images *size"],
        masks: Integer[np.ndarray, "images *size"],
        validation: tuple[UInt8[np.ndarray, "..."], Integer[np.ndarray, "..."]] | None = None,
    ) -> None:
        super().__init__()
        self.network = network.train()
        self.settings = settings
        self.schedule = schedule
        self.images = torch.from_numpy(np.ascontiguousarray(images))
        self.masks = torch.from_numpy(masks.astype(np.uint8))
        self.validation = validation
        # Each step may take several backward passes (accumulate), so the optimiser is driven from here.
        self.automatic_optimization = False
        self.class_weights = self._weights()
        if settings.network.axes == 2:
            self.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (torch's stub)

    def on_fit_start(self) -> None:
        """Move the images to the device."""
        self.images, self.masks = self.images.to(self.device), self.masks.to(self.device)
        if self.class_weights is not None:
            self.class_weights = self.class_weights.to(self.device)

    def _weights(self) -> Float[Tensor, " classes"] | None:
        """Return the classes' weights in the loss."""
        asked = self.settings.class_weights
        if asked != "balanced":
            return None if asked is None else torch.tensor(asked)
        counts = torch.bincount(self.masks.flatten(), minlength=256)
        if self.settings.ignore_label is not None:
            counts[self.settings.ignore_label] = 0
        return balanced_weights(counts[: self.settings.classes])

    def training_step(self, _batch: object) -> Float[Tensor, ""]:
        """Take an optimiser step and return the loss of its images."""
        step, seed = self.global_step, self.settings.seed
        # Dropout draws from torch's global state; seeded by the step, a resumed run draws the same.
        torch.manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1))
        index = torch.from_numpy(self.schedule.batch(step)).to(self.device)
        images, masks = self.images[index], self.masks[index]
        if self.settings.augment:
            images, masks = augmented(images, masks, generator=np.random.default_rng([seed, step, 1]))
        optimiser = cast("torch.optim.Optimizer", self.optimizers())
        optimiser.zero_grad()
        total = torch.zeros((), device=self.device)
        parts = self.settings.accumulate
        for part, truth in zip(images.tensor_split(parts), masks.tensor_split(parts), strict=True):
            if len(part):
                loss = self.loss(self.network(normalised(part, self.settings)[:, None]), truth)
                share = loss * (len(part) / len(images))
                self.manual_backward(share)
                total += share.detach()
        optimiser.step()
        return total

    def loss(self, logits: Float[Tensor, "..."], masks: UInt8[Tensor, "batch *size"]) -> Float[Tensor, ""]:
        """Return the settings' loss over the labelled pixels."""
        if logits.shape != (wanted := (len(masks), self.settings.classes, *masks.shape[1:])):
            raise ValueError(
                f"{self.settings.model!r} must return class scores of shape {wanted}, "
                f"got {tuple(logits.shape)}"
            )
        ignored = self.settings.ignore_label
        labelled = torch.ones_like(masks, dtype=torch.bool) if ignored is None else masks != ignored
        labels = masks.long() if ignored is None else masks.long().masked_fill(~labelled, 0)
        return LOSSES[self.settings.loss](logits, labels, labelled, weights=self.class_weights)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser that the settings name."""
        rate = self.settings.learning_rate
        if self.settings.optimiser == "adam":
            return torch.optim.Adam(self.network.parameters(), lr=rate, betas=self.settings.betas)
        return torch.optim.SGD(self.network.parameters(), lr=rate, momentum=0.9)

    @torch.no_grad()
    def validated(self) -> tuple[float, Int64[np.ndarray, "classes classes"]]:
        """Return loss and confusion matrix of the validation images."""
        if self.validation is None:
            raise ValueError("there must be validation images to validate, got none")
        images, masks = self.validation
        classes = self.settings.classes
        confusion = np.zeros((classes, classes), np.int64)
        total = 0.0
        self.network.eval()
        for start in range(0, len(images), self.settings.batch_size):
            part = slice(start, start + self.settings.batch_size)
            batch = torch.from_numpy(np.ascontiguousarray(images[part])).to(self.device)
            truth = masks[part].astype(np.uint8)
            with self.trainer.precision_plugin.forward_context():
                logits = self.network(normalised(batch, self.settings)[:, None]).float()
                loss = self.loss(logits, torch.from_numpy(truth).to(self.device))
            total += float(loss) * len(batch)
            found = most_probable(logits).cpu().numpy()
            confusion += confusion_matrix(truth, found, classes=classes, ignore=self.settings.ignore_label)
        self.network.train()
        return total / len(images), confusion


class _Journal(pl.Callback):
    """Keep the history, report progress, and leave resume points."""

    def __init__(self, checkpoint: Path, *, best: Path, progress: Callable[[int, int], None] | None) -> None:
        self.rows: list[dict[str, float]] = []
        self._checkpoint = checkpoint
        self._best = best
        self._progress = progress
        self._loss: Tensor | float = 0.0
        self._steps = 0

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs: the rows so far, and the running mean of this epoch."""
        return {"rows": self.rows, "loss": float(self._loss), "steps": self._steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the state of an interrupted run."""
        self.rows, self._loss, self._steps = state_dict["rows"], state_dict["loss"], state_dict["steps"]

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
        self._loss = self._loss + outputs["loss"].detach().double()
        self._steps += 1
        closes = step % schedule.steps_per_epoch == 0 or step == schedule.steps
        if closes:
            self._close_epoch(step, pl_module)
            trainer.should_stop = self._has_stalled(pl_module.settings.patience)
        if closes or step % pl_module.settings.checkpoint_every == 0:
            beside = self._checkpoint.with_name(self._checkpoint.name + ".new")
            trainer.save_checkpoint(beside)
            beside.replace(self._checkpoint)
        if self._progress is not None:
            self._progress(step, schedule.steps)

    def _close_epoch(self, step: int, segmenter: Segmenter) -> None:
        loss = float(self._loss) / self._steps
        if not np.isfinite(loss):
            raise ValueError(
                f"the training loss must stay finite, got {loss} in the epoch up to step {step}; lower "
                f"learning_rate (now {segmenter.settings.learning_rate}) or set precision='32-true'"
            )
        row = dict.fromkeys(("val_loss", "val_iou", "val_f1"), float("nan"))
        if segmenter.validation is not None:
            val_loss, confusion = segmenter.validated()
            result = scores(confusion)
            row = {"val_loss": val_loss, "val_iou": result.mean_iou, "val_f1": result.mean_f1}
        epoch = -(-step // segmenter.schedule.steps_per_epoch)
        self.rows.append({"epoch": epoch, "step": step, "loss": loss} | row)
        _LOG.info("epoch %d: loss %.4f, validation IoU %.3f", epoch, loss, row["val_iou"])
        self._loss, self._steps = 0.0, 0
        if segmenter.settings.keep == "best" and len(self.rows) - 1 == self._best_row():
            _save_whole(segmenter.network, self._best)

    def _best_row(self) -> int:
        """Return the position of the first epoch with the best validation IoU."""
        return int(np.argmax(np.nan_to_num([row["val_iou"] for row in self.rows], nan=-1.0)))

    def _has_stalled(self, patience: int | None) -> bool:
        """Return whether the last so many epochs brought nothing better."""
        return bool(self.rows) and patience is not None and len(self.rows) - 1 - self._best_row() >= patience


def _save_whole(network: nn.Module, path: Path) -> None:
    """Write the network's weights so that the file is there whole or not at all."""
    beside = path.with_name(path.name + ".new")
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, beside)
    beside.replace(path)


def fitted(
    segmenter: Segmenter,
    *,
    checkpoint: Path,
    best: Path,
    device: str,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, float], ...]:
    """Train the segmenter's network to the end of its schedule and return the history.

    Starts from ``checkpoint`` where it exists, and renews it as training goes on. Where the settings keep the
    best weights, they pass through the file ``best``, and the network ends with them.
    """
    journal = _Journal(checkpoint, best=best, progress=progress)
    steps = segmenter.schedule.steps
    with (
        _quiet(),
        _random_state_kept(device),
        _interruptible(),
        memory_named("training", lower="lower batch_size, raise accumulate, or take a smaller network"),
        _deterministic(segmenter.settings.deterministic),
    ):
        trainer = pl.Trainer(
            accelerator=device,
            devices=1,
            precision=segmenter.settings.precision,
            max_steps=steps,
            max_epochs=-1,
            min_epochs=0,  # or an early stop would wait for the one pass to end
            callbacks=[journal],
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
