"""Watch a training run for collapse: rank and spread of embeddings, and the vote of their neighbours."""

import logging
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from mtneuro_ssl._shared.devices import in_double
from mtneuro_ssl.methods.base import Method
from mtneuro_ssl.mining import nearest_positions
from mtneuro_ssl.recorder import csv_text
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.stream import located
from mtneuro_ssl.views import normalised

log = logging.getLogger(__name__)

COLLAPSED_RANK = 1.5
"""Rank below which the embeddings lie on one line."""

COLLAPSED_SPREAD = 0.01
"""Spread below which the embeddings lie in one place."""

PROBE_SAMPLES = 64


def effective_rank(embeddings: Float32[Tensor, "n features"]) -> float:
    """Return how many directions embeddings vary in: the exponential of the entropy of their variances.

    It is 1 where they lie on a line, and the number of features where they vary equally in all. Roy and
    Vetterli, "The effective rank: a measure of effective dimensionality", 2007.

    Examples
    --------
    >>> round(effective_rank(torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]])), 6)
    2.0
    """
    centred = embeddings - embeddings.mean(dim=0)
    shares = torch.linalg.svdvals(in_double(centred))
    shares = shares[shares > 0] / shares.sum()
    return float((-(shares * shares.log()).sum()).exp()) if len(shares) else 1.0


def spread(embeddings: Float32[Tensor, "n features"]) -> float:
    """Return how far apart the directions of embeddings are, between 0 (all the same) and 1 (all ways alike).

    It is the root mean square distance of the unit vectors from their mean.

    Examples
    --------
    >>> spread(torch.tensor([[1.0, 0], [-1, 0]]))
    1.0
    """
    unit = torch.nn.functional.normalize(in_double(embeddings), dim=1)
    return float((1 - unit.mean(dim=0).square().sum()).clamp(min=0).sqrt())


def neighbour_accuracy(
    embeddings: Float32[Tensor, "n features"], labels: Int64[Tensor, " n"], *, neighbours: int
) -> float:
    """Return how often the most frequent label among the k nearest others, by cosine, is a sample's own.

    Of labels that are equally frequent, the smallest counts.

    Examples
    --------
    >>> points = torch.tensor([[1.0, 0], [1, 0.1], [0, 1], [0.1, 1]])
    >>> neighbour_accuracy(points, torch.tensor([0, 0, 1, 1]), neighbours=1)
    1.0
    """
    count = len(embeddings)
    own = torch.arange(count, device=embeddings.device)
    nearest = [
        nearest_positions(embeddings, embeddings, forbidden=(own, own), ranks=torch.full_like(own, k))
        for k in range(min(neighbours, count - 1))
    ]
    votes = labels[torch.stack(nearest, dim=1)]
    counts = torch.nn.functional.one_hot(votes, int(labels.max()) + 1).sum(dim=1)
    return float((counts.argmax(dim=1) == labels).float().mean())


class Monitor(Callback):
    """Measure the embeddings of a few images at intervals, in evaluation mode, and warn if they collapse."""

    def __init__(self, *, every: int, neighbours: int) -> None:
        self.every = every
        self.neighbours = neighbours
        self.rows: list[list[float]] = []

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the embeddings before the first step."""
        if trainer.global_step == 0:
            self._look(pl_module, 0)

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure the embeddings at intervals, and after the last step."""
        step = trainer.global_step
        if step % self.every == 0 or step == trainer.max_steps:
            self._look(pl_module, step)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raise if the last step broke the weights, which no loss has shown.

        Raises
        ------
        ValueError
            If the embeddings are not finite.
        """
        if self.rows[-1][0] != trainer.max_steps:
            raise ValueError(
                "embeddings must be finite after the last step, got nan or inf: lower learning_rate"
            )

    def _look(self, module: Any, step: int) -> None:
        embeddings, labels = probe_embeddings(module)
        if not embeddings.isfinite().all():
            return  # The next loss raises the error, or `on_train_end` does.
        rank, distance = effective_rank(embeddings), spread(embeddings)
        row = [step, rank, distance]
        if self.neighbours and labels is not None:
            row.append(neighbour_accuracy(embeddings, labels, neighbours=self.neighbours))
        self.rows.append(row)
        collapsed = rank < COLLAPSED_RANK or distance < COLLAPSED_SPREAD
        if step and collapsed and module.settings.entry.family == "self-supervised":
            log.warning(
                "%s has collapsed at step %d: rank %.2f and spread %.4f of the embeddings",
                module.settings.method, step, rank, distance,
            )  # fmt: skip

    def as_csv(self) -> str:
        """Return the measurements so far."""
        columns = ["step", "rank", "spread", "neighbour_accuracy"][: len(self.rows[0])]
        return csv_text([columns, *self.rows])

    def state_dict(self) -> dict[str, Any]:
        """Return the measurements so far, for a checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the measurements back from a checkpoint."""
        self.rows = state_dict["rows"]


def monitored_size(size: tuple[int, ...], settings: TrainSettings) -> tuple[int, ...]:
    """Return the size of the middles of images that are embedded: half of the images', if the encoder may.

    Those of subvolumes have all of their slices.

    Examples
    --------
    >>> monitored_size((64, 96), TrainSettings())
    (32, 48)
    """
    *depth, height, width = size
    fixed = settings.image_size
    if fixed is not None and fixed[0] <= height and fixed[1] <= width:
        return (*depth, *fixed)
    return (*depth, height // 2, width // 2)


def probe_embeddings(method: Method) -> tuple[Tensor, Tensor | None]:
    """Return the embeddings of a few samples spread over the data, in evaluation mode, and their labels.

    Images are cut to their middle, of the size of a view, so that measuring costs no more than a step.
    """
    count = len(method.images)
    chosen = torch.from_numpy(np.linspace(0, count - 1, min(count, PROBE_SAMPLES)).astype(np.int64))
    held, places = located(method.images, chosen, device=method.device)
    samples = held[places]
    if samples.ndim > 2:
        *_, height, width = monitored_size(tuple(samples.shape[1:]), method.settings)
        top, left = (samples.shape[-2] - height) // 2, (samples.shape[-1] - width) // 2
        middle = samples[..., top : top + height, left : left + width]
        samples = normalised(middle, mean=method.settings.mean, sd=method.settings.sd)
    was_training = method.encoder.training
    method.encoder.eval()
    with torch.no_grad():
        # `forward` avoids torch's compiler, which would compile the evaluation mode too.
        embeddings = method.encoder.forward(samples).float()
    method.encoder.train(was_training)
    return embeddings, None if method.labels is None else method.labels[chosen.to(method.device)]
