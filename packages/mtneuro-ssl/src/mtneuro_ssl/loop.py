"""Train a method with Lightning, from its last checkpoint to a trained model."""

import copy
import inspect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.environments import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import update_bn

from mtneuro_ssl._shared.compilation import compilation_errors_named
from mtneuro_ssl._shared.devices import chosen_device, missing_operations_named
from mtneuro_ssl._shared.logs import logged
from mtneuro_ssl._shared.memory import memory_errors_named
from mtneuro_ssl._shared.trainer import fit, new_trainer
from mtneuro_ssl.encoders import seeded_weights
from mtneuro_ssl.methods.base import Method
from mtneuro_ssl.model import NetworkModel
from mtneuro_ssl.monitor import Monitor
from mtneuro_ssl.processes import launch
from mtneuro_ssl.recorder import CHECKPOINT, Recorder
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.types import Progress


class Steps:
    """The data loader: it yields the numbers of the steps, from where a checkpoint left off."""

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


def fit_method(
    method: Method,
    *,
    partial: Path,
    class_names: Sequence[str] | None = None,
    progress: Progress | None = None,
    loggers: Sequence[Logger] = (),
) -> tuple[NetworkModel, dict[str, str]]:
    """Train a method to the end of its steps, and return its model and the tables of the run.

    Parameters
    ----------
    method
        The networks before their first step.
    partial
        Folder of the checkpoints: training continues from one that is there.
    class_names, progress, loggers
        As for `mtneuro_ssl.train`.

    Returns
    -------
    model, tables
        The trained model, and ``history`` and ``monitor`` as CSV text.
    """
    settings = method.settings
    recorder = Recorder(
        partial,
        epoch_steps=settings.epoch_steps(len(method.images)),
        every=settings.checkpoint_every,
        progress=progress,
        loggers=loggers,
    )
    monitor = Monitor(
        every=settings.monitor_every or max(method.total_steps // 4, 1),
        neighbours=settings.monitor_neighbours,
    )
    trainer = _new_trainer(settings, method.total_steps, [monitor, recorder], partial)
    with ExitStack() as stack:
        stack.enter_context(missing_operations_named())
        stack.enter_context(memory_errors_named("training", remedy="lower batch_size, or set stream=true"))
        if settings.compile:
            stack.enter_context(compilation_errors_named())
            compile_encoders(method)
        stack.enter_context(logged(loggers, settings.model_dump(mode="json")))
        fit(trainer, method, loader=Steps(method.total_steps), checkpoint=partial / CHECKPOINT)
        settle(method, batches=settings.settle_batches)
    recorder.collect()
    classifier = getattr(method, "classifier", None)
    model = NetworkModel(
        settings,
        # A copy, since that is not compiled: embedding needs no compiler.
        copy.deepcopy(method.encoder) if settings.compile else method.encoder,
        classifier=classifier,
        classes=class_names if classifier is not None else None,
        vector_width=method.images.shape[1] if method.images.ndim == 2 else None,
    )
    return model, {"history": recorder.as_csv(), "monitor": monitor.as_csv()}


def settle(method: Method, *, batches: int) -> None:
    """Take the statistics of the encoder's batch normalisation anew, as means over batches of training views.

    Y. Wu and J. Johnson (2021), Rethinking "Batch" in BatchNorm, arXiv:2105.07576, section 3. All of several
    processes see whole batches, so that they end alike.

    Parameters
    ----------
    method
        The trained networks.
    batches
        How many; 0 changes nothing.
    """
    if not batches:
        return
    settings = method.settings
    # After a training on a GPU, Lightning leaves everything in the computer's memory.
    method.to(chosen_device(settings.device))
    supervised = settings.entry.family == "supervised"

    def views() -> Iterator[Tensor]:
        for batch in range(batches):
            draw = method.draw_at(batch % method.total_steps)
            yield draw.whole() if supervised else draw.view(draw.positions)

    # An encoder's own dropout draws from the global generator.
    with seeded_weights(settings):
        update_bn(views(), method.encoder)


def compile_encoders(method: Method) -> None:
    """Have a method's encoder, and its target's, compiled at their first pass; the heads are small.

    In place, so that the names of the weights stay as they are. Copies of the encoders are not compiled.
    """
    for name in ("encoder", "target_encoder"):
        network = getattr(method, name, None)
        if isinstance(network, nn.Module):
            network.compile()


def _new_trainer(
    settings: TrainSettings,
    total: int,
    callbacks: list[Callback],
    partial: Path,
) -> Trainer:
    kind = chosen_device(settings.device).type
    started = launch()
    together: dict[str, Any] = {}
    if started.count > 1:
        together = {
            "num_nodes": started.count // started.local_count,
            "strategy": _joint_strategy(),
            "sync_batchnorm": kind == "cuda",
            "plugins": [TorchElasticEnvironment()],
        }
    return new_trainer(
        accelerator=kind,
        devices=started.local_count,
        precision=settings.precision,
        max_steps=total,
        callbacks=callbacks,
        default_root_dir=partial,
        use_distributed_sampler=False,
        **together,
    )


def _joint_strategy() -> DDPStrategy:
    """Return a strategy that does not send buffers: the images are one, and every process has them."""
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    option = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {option: False}
    return DDPStrategy(**options)
