"""One call from images to a trained model, which an interruption only delays."""

import csv
import hashlib
import io
import json
import logging
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.environments import LightningEnvironment
from torch import Tensor
from typing_extensions import override

from mtneuro_ssl.components import ComponentModel
from mtneuro_ssl.encoders import device_for, feature_count, new_encoder, seeded_weights
from mtneuro_ssl.method import Method
from mtneuro_ssl.model import (
    FORMAT_VERSION,
    Model,
    NetworkModel,
    Progress,
    check_destination,
    check_images,
    load_model,
    read_config,
    untrained,
)
from mtneuro_ssl.registry import imported
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.views import corner_crops

log = logging.getLogger(__name__)

SMALLEST_CROP = 8
"""Height and width, in pixels, under which a crop says nothing to the encoder."""


def train(
    images: UInt8[np.ndarray, "n y x"],
    settings: TrainSettings,
    *,
    labels: Int64[np.ndarray, " n"] | None = None,
    out: Path | str,
    class_names: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Model:
    """Return the model that the settings make of the images, and leave it in a folder.

    A run that was interrupted goes on from its last checkpoint, and ends as if it had not been; a run
    that is already there, of the same settings and data, is loaded. The checkpoints lie in ``<out>.partial``
    until the end.

    Parameters
    ----------
    images
        Images to learn from, lying on the device as one array.
    settings
        What to learn, and how long.
    labels
        The class of each image, counted from 0; supervised methods need them.
    out
        Model folder: ``model.safetensors``, ``config.json`` and ``history.csv`` (step, epoch, loss,
        the method's own columns and the learning rate).
    class_names
        Names of the classes, kept with a supervised model.
    progress
        Called with the steps done and all steps.

    Returns
    -------
    model
        The same as `load_model` returns from ``out``.

    Raises
    ------
    ValueError
        If the images, labels and settings do not go together (said before any work starts), or the loss is
        no longer finite.
    FileExistsError
        If ``out`` holds something else than a model.
    """
    out, settings = Path(out), settings.resolved()
    check_run(images, settings, labels=labels, class_names=class_names)
    check_destination(out)
    digest = run_digest(images, settings, labels=labels, class_names=class_names)
    if out.is_dir() and any(out.iterdir()) and read_config(out)["digest"] == digest:
        log.info("%s holds this run already", out)
        return load_model(out)
    partial = out.with_name(f"{out.name}.partial")
    family = settings.entry.family
    if family == "baseline":
        untrained(settings).save(out, digest=digest)
    elif family == "classical":
        kind: type[ComponentModel] = imported(settings.entry.target)
        crops = corner_crops(images).reshape(-1, images.shape[1] // 2, images.shape[2] // 2)
        kind.fitted(crops, settings, progress=progress).save(out, digest=digest)
    else:
        _prepare_partial(partial, digest)
        model, history = _fitted(images, settings, labels, class_names, partial, progress)
        model.save(out, history=history, digest=digest)
    shutil.rmtree(partial, ignore_errors=True)
    return load_model(out)


def check_run(
    images: UInt8[np.ndarray, "n y x"],
    settings: TrainSettings,
    *,
    labels: Int64[np.ndarray, " n"] | None = None,
    class_names: Sequence[str] | None = None,
) -> None:
    """Refuse images, labels and settings that do not go together.

    Raises
    ------
    ValueError
        Naming the requirement, and what was got.
    """
    check_images(images)
    if images.min() == images.max():
        raise ValueError(f"images must vary in intensity, got {images.min()} in every pixel")
    n, height, width = images.shape
    family = settings.entry.family
    if family in ("self-supervised", "classical") and min(height, width) < 2 * SMALLEST_CROP:
        raise ValueError(
            f"method {settings.method!r} crops half the height and width, and crops must be at least "
            f"{SMALLEST_CROP} x {SMALLEST_CROP} pixels: images must be at least {2 * SMALLEST_CROP} x "
            f"{2 * SMALLEST_CROP}, got {height} x {width}"
        )
    if family in ("self-supervised", "supervised"):
        if settings.batch_size < 2:
            raise ValueError(
                "batch_size must be at least 2, since BatchNorm compares the images of a batch, got 1"
            )
        if settings.batch_size > n:
            raise ValueError(
                f"batch_size must be at most the number of images, {n}, got {settings.batch_size}: "
                "lower batch_size or bring more images"
            )
        if settings.pool_size is not None and settings.pool_size > n:
            raise ValueError(f"pool_size must be at most the number of images, {n}, got {settings.pool_size}")
    if family == "supervised":
        _check_labels(labels, n, settings.method, class_names)
    device_for(settings.device)


def _check_labels(
    labels: np.ndarray | None, count: int, method: str, class_names: Sequence[str] | None
) -> None:
    if labels is None:
        raise ValueError(f"method {method!r} needs labels, one integer an image, got none")
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels must be integers of shape ({count},), one an image, "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    if labels.min() < 0:
        raise ValueError(f"labels must count from 0, got {labels.min()}")
    if labels.min() == labels.max():
        raise ValueError(f"labels must have at least 2 classes to tell apart, got {labels.min()} only")
    if class_names is not None and labels.max() >= len(class_names):
        raise ValueError(f"class_names must name class {labels.max()}, got {len(class_names)} names")


def run_digest(
    images: UInt8[np.ndarray, "n y x"],
    settings: TrainSettings,
    *,
    labels: Int64[np.ndarray, " n"] | None = None,
    class_names: Sequence[str] | None = None,
) -> str:
    """Return what identifies a run: a digest of its settings and data, whatever the device."""
    identity = {
        "format_version": FORMAT_VERSION,
        "settings": settings.model_dump(exclude={"device", "checkpoint_every"}),
        "shape": images.shape,
        "class_names": None if class_names is None else list(class_names),
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(images).data)
    if settings.entry.family == "supervised" and labels is not None:
        digest.update(np.ascontiguousarray(labels, dtype=np.int64).data)
    return digest.hexdigest()


def _prepare_partial(partial: Path, digest: str) -> None:
    """Leave a partial folder that belongs to this run: the one that is there, or an empty one."""
    mark = partial / "run.json"
    if mark.is_file() and json.loads(mark.read_text(encoding="utf-8"))["digest"] == digest:
        return
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _write_whole(mark, json.dumps({"digest": digest}))


def _fitted(
    images: UInt8[np.ndarray, "n y x"],
    settings: TrainSettings,
    labels: Int64[np.ndarray, " n"] | None,
    class_names: Sequence[str] | None,
    partial: Path,
    progress: Progress | None,
) -> tuple[NetworkModel, str]:
    method = new_method(images, settings, labels=labels, class_names=class_names)
    recorder = _Recorder(
        partial,
        epoch_steps=len(images) // settings.batch_size,
        every=settings.checkpoint_every,
        progress=progress,
    )
    trainer = _trainer(settings, method.total_steps, recorder, partial)
    checkpoint = partial / "checkpoint.ckpt"
    _run(trainer, method, checkpoint if checkpoint.is_file() else None)
    recorder.collect()
    classifier = getattr(method, "classifier", None)
    model = NetworkModel(
        settings,
        method.encoder,
        classifier=classifier,
        classes=class_names if classifier is not None else None,
    )
    return model, recorder.as_csv()


def new_method(
    images: UInt8[np.ndarray, "n y x"],
    settings: TrainSettings,
    *,
    labels: Int64[np.ndarray, " n"] | None = None,
    class_names: Sequence[str] | None = None,
) -> Method:
    """Return the method's networks around a fresh encoder, before any step."""
    kind: type[Method] = imported(settings.entry.target)
    classes = 0 if labels is None else len(class_names or range(int(labels.max()) + 1))
    with seeded_weights(settings):
        encoder = new_encoder(settings)
        return kind(
            encoder,
            settings,
            width=feature_count(encoder),
            classes=classes,
            # Copies: what the caller does to the arrays later is not the run's concern.
            images=torch.from_numpy(np.array(images, order="C")),
            labels=None if labels is None else torch.from_numpy(np.array(labels, dtype=np.int64, order="C")),
        )


def _trainer(settings: TrainSettings, total: int, recorder: Callback, partial: Path) -> Trainer:
    with _quiet_lightning():
        return Trainer(
            accelerator="gpu" if device_for(settings.device).type == "cuda" else "cpu",
            devices=1,
            precision=settings.precision,
            max_steps=total,
            callbacks=[recorder],
            # Never the cluster's: a worker of a SLURM job trains alone.
            plugins=[LightningEnvironment()],
            default_root_dir=partial,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )


def _run(trainer: Trainer, method: Method, checkpoint: Path | None) -> None:
    """Fit, and pass Ctrl-C on: Lightning would end the interpreter and leave further Ctrl-C ignored."""
    in_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        with _quiet_lightning():
            trainer.fit(method, train_dataloaders=_Steps(method.total_steps), ckpt_path=checkpoint)
    except SystemExit:
        if not trainer.interrupted:
            raise
        if in_main:
            signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


class _Steps:
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
        return {"reached": self.reached}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.start = state["reached"]


class _Recorder(Callback):
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
            beside = self.partial / "checkpoint.ckpt.new"
            trainer.save_checkpoint(beside)
            beside.replace(self.partial / "checkpoint.ckpt")
            _write_whole(self.partial / "history.csv", self.as_csv())
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


@contextmanager
def _quiet_lightning() -> Generator[None]:
    """Leave Lightning's warnings and errors, and keep its announcements to itself."""
    # torch's own deprecation, met inside Lightning. Not undone: undoing filters is not safe between threads.
    warnings.filterwarnings("ignore", r".*isinstance\(treespec, LeafSpec\)", FutureWarning)
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _write_whole(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
