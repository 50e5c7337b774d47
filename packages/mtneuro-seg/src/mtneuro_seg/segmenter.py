"""The Lightning module: a network, its images, and what one training step does."""

from typing import cast

import lightning.pytorch as pl
import numpy as np
import torch
from jaxtyping import Float, Int64, Integer, Real, UInt8
from torch import Tensor, nn

from mtneuro_seg._shared.devices import in_double, random_state_kept
from mtneuro_seg.augmentation import augmented, cropped
from mtneuro_seg.inference import most_probable
from mtneuro_seg.losses import LOSSES, Loss, balanced_weights, shares
from mtneuro_seg.metrics import confusion_matrix
from mtneuro_seg.model import normalised
from mtneuro_seg.schedule import Schedule
from mtneuro_seg.settings import TrainSettings
from mtneuro_seg.transforms import transformed
from mtneuro_seg.trial import checked_scores, class_scores


class Segmenter(pl.LightningModule):
    """A network with its images, as Lightning trains it.

    All images lie on the device as one array, uint8 or float32 on the same scale; a batch is an index into
    it.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: TrainSettings,
        *,
        schedule: Schedule,
        images: Real[np.ndarray, "images *size"],
        masks: Integer[np.ndarray, "images *size"],
        validation: tuple[Real[np.ndarray, "..."], Integer[np.ndarray, "..."]] | None = None,
    ) -> None:
        super().__init__()
        self.network = network.train()
        self.settings = settings
        self.schedule = schedule
        self.images = torch.from_numpy(_writable(images))
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

    def training_step(self, _batch: object) -> dict[str, Tensor]:
        """Take an optimiser step; return the loss of its images, and how much their labelled pixels count."""
        step, seed = self.global_step, self.settings.seed
        # Dropout draws from torch's global state; seeded by the step, a resumed run draws the same.
        torch.manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1))
        index = torch.from_numpy(self.schedule.batch(step)).to(self.device)
        images, masks = self.images[index], self.masks[index]
        if self.settings.crop is not None:
            drawn = np.random.default_rng([seed, step, 3])
            images, masks = cropped(images, masks, self.settings.crop, generator=drawn)
        if self.settings.augment:
            images, masks = augmented(images, masks, generator=np.random.default_rng([seed, step, 1]))
        if self.settings.transforms.any:
            number = int(np.random.default_rng([seed, step, 2]).integers(2**31))
            images, masks = transformed(images, masks, self.settings.transforms, seed=number)
        optimiser = cast("torch.optim.Optimizer", self.optimizers())
        optimiser.zero_grad()
        count = self.settings.accumulate
        split = zip(images.tensor_split(count), masks.tensor_split(count), strict=True)
        parts = [(part, truth) for part, truth in split if len(part)]
        whole = self._whole(parts) if len(parts) > 1 else None
        total: Tensor | float = 0.0
        for part, truth in parts:
            sums = self.sums(self._logits(part), truth)
            total = total + sums.detach()
            # Where the sums are the whole batch's, a part has the gradient that it has in the whole batch.
            self.manual_backward(self.value(sums if whole is None else whole + (sums - sums.detach())))
        optimiser.step()
        return {"loss": self.value(cast("Tensor", total)), "labelled": self._labelled(masks)}

    def _whole(self, parts: list[tuple[Tensor, Tensor]]) -> Float[Tensor, " sums"]:
        """Return the sums of a whole batch, as far as the gradients of its parts depend on them."""
        if self._loss.is_mean:
            labelled = self._labelled(torch.cat([truth for _, truth in parts]))
            return torch.stack([torch.zeros_like(labelled), labelled])
        # An overlap needs all parts' scores. The pass draws what the next one draws, and leaves no trace.
        before = [buffer.clone() for buffer in self.network.buffers()]
        with torch.no_grad(), random_state_kept(self.device):
            whole = torch.stack([self.sums(self._logits(part), truth) for part, truth in parts]).sum(dim=0)
            for buffer, kept in zip(self.network.buffers(), before, strict=True):
                buffer.copy_(kept)
        # Weights that autocast has converted without gradients would be taken again.
        torch.clear_autocast_cache()
        return whole

    def _logits(self, images: Real[Tensor, "part *size"]) -> Float[Tensor, "..."]:
        """Return class scores; a network is compiled for one shape only, so smaller parts run uncompiled."""
        given = normalised(images, self.settings)[:, None]
        if self._compiled is not None and len(images) == self._full:
            return self._compiled(given)
        return checked_scores(self.network(given), given, self.settings)

    def sums(
        self, logits: Float[Tensor, "..."], masks: UInt8[Tensor, "batch *size"]
    ) -> Float[Tensor, " sums"]:
        """Return the sums over labelled pixels of which the settings' loss is made; those of parts add up."""
        return self._loss.sums(logits, *self._labels(masks), self.class_weights)

    def value(self, sums: Float[Tensor, " sums"]) -> Float[Tensor, ""]:
        """Return the settings' loss of such sums."""
        weights = self.class_weights
        return self._loss.value(sums, None if weights is None else weights.to(sums.device))

    @property
    def _loss(self) -> Loss:
        return LOSSES[self.settings.loss]

    def _labels(self, masks: UInt8[Tensor, "batch *size"]) -> tuple[Tensor, Tensor]:
        """Return the label of each pixel, 0 where there is none, and whether there is one."""
        ignored = self.settings.ignore_label
        labelled = torch.ones_like(masks, dtype=torch.bool) if ignored is None else masks != ignored
        return masks.long() if ignored is None else masks.long().masked_fill(~labelled, 0), labelled

    def _labelled(self, masks: UInt8[Tensor, "batch *size"]) -> Float[Tensor, ""]:
        """Return the number of labelled pixels, each by the weight of its class."""
        return shares(*self._labels(masks), self.class_weights).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser that the settings name."""
        rate = self.settings.learning_rate
        if self.settings.optimiser == "adam":
            return torch.optim.Adam(self.network.parameters(), lr=rate, betas=self.settings.betas)
        return torch.optim.SGD(self.network.parameters(), lr=rate, momentum=self.settings.momentum)

    @torch.no_grad()
    def validate(self) -> tuple[float, Int64[np.ndarray, "classes classes"]]:
        """Label the validation images; return the loss of all their pixels together, and confusion matrix."""
        if self.validation is None:
            raise ValueError("there must be validation images to validate, got none")
        images, masks = self.validation
        classes = self.settings.classes
        confusion = np.zeros((classes, classes), np.int64)
        total: Tensor | float = 0.0
        self.network.eval()
        for start in range(0, len(images), self.settings.batch_size):
            part = slice(start, start + self.settings.batch_size)
            batch = torch.from_numpy(_writable(images[part])).to(self.device)
            truth = masks[part].astype(np.uint8)
            with self.trainer.precision_plugin.forward_context():
                given = normalised(batch, self.settings)[:, None]
                logits = class_scores(self.network, given, self.settings).float()
                sums = self.sums(logits, torch.from_numpy(truth).to(self.device))
            total = total + in_double(sums)
            found = most_probable(logits).cpu().numpy()
            confusion += confusion_matrix(truth, found, classes=classes, ignore=self.settings.ignore_label)
        self.network.train()
        return float(self.value(cast("Tensor", total))), confusion


def _writable(images: Real[np.ndarray, "..."]) -> Real[np.ndarray, "..."]:
    """Return images as torch takes them: mirrored, strided and read-only ones are copied."""
    return np.require(images, requirements=["C", "W"])
