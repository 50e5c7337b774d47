"""Supervised training on whole images and their labels, with or without mixup."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mtneuro_ssl.methods.base import Draw, Method


class Supervised(Method):
    """Cross entropy of a linear classifier on the embedding, with dropout.

    The dropped features are drawn from the step's own generator: torch's dropout would draw them from the
    global generator, and a resumed run would then differ.
    """

    def build(self, width: int, classes: int) -> None:
        """Add the classifier."""
        self.classifier = nn.Linear(width, classes)

    def step_logs(self, draw: Draw) -> dict[str, Tensor]:
        """Return the cross entropy and the accuracy of the batch."""
        labels = draw.own(draw.batch_labels())
        scores = self.scores(draw.own(draw.whole()), draw)
        return {"loss": cross_entropy(scores, labels), "accuracy": _right(scores, labels).mean()}

    def scores(self, images: Tensor, draw: Draw) -> Tensor:
        """Return the classifier's scores of this process's images, with dropout."""
        features = self.encoder(images)
        kept = 1 - self.settings.dropout
        drawn = torch.rand((len(draw.positions), features.shape[1]), generator=draw.generator)
        mask = draw.own(drawn < kept).to(features.device, non_blocking=True)
        return self.classifier(features * mask / kept)


class SupervisedMixup(Supervised):
    """Supervised training on weighted mixtures of two images, whose losses are weighted alike.

    Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018. A batch is mixed with the
    probability of the settings, by one weight a batch or one an image, drawn from Beta(alpha, alpha).
    """

    def step_logs(self, draw: Draw) -> dict[str, Tensor]:
        """Return the mixed cross entropy, and the accuracy weighted in the same way."""
        weight, partner = self.mixture(draw)
        images, labels = draw.whole(), draw.batch_labels()
        share = weight.reshape(-1, *[1] * (images.ndim - 1))
        mixed = share * images + (1 - share) * images[partner]
        labels, other, weight = draw.own(labels), draw.own(labels[partner]), draw.own(weight)
        scores = self.scores(draw.own(mixed), draw)
        losses, others = (cross_entropy(scores, each, reduction="none") for each in (labels, other))
        right, others_right = _right(scores, labels), _right(scores, other)
        return {
            "loss": (weight * losses + (1 - weight) * others).mean(),
            "accuracy": (weight * right + (1 - weight) * others_right).mean(),
        }

    def mixture(self, draw: Draw) -> tuple[Tensor, Tensor]:
        """Return each image's weight in its mixture, 1 where the batch is not mixed, and its partner."""
        count = len(draw.positions)
        chance, seed = torch.rand(2, generator=draw.generator, dtype=torch.float64).tolist()
        partner = torch.randperm(count, generator=draw.generator)
        weight = np.ones(count, np.float32)
        if chance < self.settings.mixup_probability:
            # torch's Beta distribution takes no generator.
            rng, alpha = np.random.default_rng(int(seed * 2**53)), self.settings.mixup_alpha
            if self.settings.mixup_weights == "image":
                drawn = rng.beta(alpha, alpha, count)
                weight[:] = np.maximum(drawn, 1 - drawn)
            else:
                weight[:] = rng.beta(alpha, alpha)
        mixture = torch.from_numpy(weight), partner
        one, other = (part.to(self.device, non_blocking=True) for part in mixture)
        return one, other


def _right(scores: Tensor, labels: Tensor) -> Tensor:
    return (scores.detach().argmax(dim=1) == labels).float()
