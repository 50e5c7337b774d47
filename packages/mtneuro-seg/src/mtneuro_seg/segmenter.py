"""The Lightning module: a network, its images, and what one training step does."""

from typing import cast

import lightning.pytorch as pl
import numpy as np
import torch
from jaxtyping import Float, Int64, Integer, UInt8
from torch import Tensor, nn

from mtneuro_seg.augmentation import augmented
from mtneuro_seg.inference import most_probable
from mtneuro_seg.losses import LOSSES, balanced_weights
from mtneuro_seg.metrics import confusion_matrix
from mtneuro_seg.model import normalised
from mtneuro_seg.schedule import Schedule
from mtneuro_seg.settings import TrainSettings
from mtneuro_seg.trial import checked_scores, class_scores


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
        # Compiled for one shape of input. The network stays as it is: its weights keep their names.
        self._compiled = torch.compile(self.network.forward, dynamic=False) if settings.compile else None
        # The first part of a full batch, which is the largest.
        self._full = -(-min(schedule.batch_size, schedule.images) // settings.accumulate)

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
                loss = self.loss(self._logits(part), truth)
                share = loss * (len(part) / len(images))
                self.manual_backward(share)
                total += share.detach()
        optimiser.step()
        return total

    def _logits(self, images: UInt8[Tensor, "part *size"]) -> Float[Tensor, "..."]:
        """Return class scores; a network is compiled for one shape only, so smaller parts run uncompiled."""
        given = normalised(images, self.settings)[:, None]
        if self._compiled is not None and len(images) == self._full:
            return self._compiled(given)
        return checked_scores(self.network(given), given, self.settings)

    def loss(self, logits: Float[Tensor, "..."], masks: UInt8[Tensor, "batch *size"]) -> Float[Tensor, ""]:
        """Return the settings' loss over the labelled pixels."""
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
    def validate(self) -> tuple[float, Int64[np.ndarray, "classes classes"]]:
        """Label the validation images; return their loss and confusion matrix."""
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
                given = normalised(batch, self.settings)[:, None]
                logits = class_scores(self.network, given, self.settings).float()
                loss = self.loss(logits, torch.from_numpy(truth).to(self.device))
            total += float(loss) * len(batch)
            found = most_probable(logits).cpu().numpy()
            confusion += confusion_matrix(truth, found, classes=classes, ignore=self.settings.ignore_label)
        self.network.train()
        return total / len(images), confusion
