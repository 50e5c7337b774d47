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
        return {"loss": cross_entropy(scores, labels), "accuracy": _accuracy(scores, labels)}

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
    probability of the settings, one weight a batch, drawn from Beta(alpha, alpha).
    """

    def step_logs(self, draw: Draw) -> dict[str, Tensor]:
        """Return the mixed cross entropy, and the accuracy weighted in the same way."""
        weight, partner = self.mixture(draw)
        images, labels = draw.whole(), draw.batch_labels()
        mixed = weight * images + (1 - weight) * images[partner]
        labels, other = draw.own(labels), draw.own(labels[partner])
        scores = self.scores(draw.own(mixed), draw)
        return {
            "loss": weight * cross_entropy(scores, labels) + (1 - weight) * cross_entropy(scores, other),
            "accuracy": weight * _accuracy(scores, labels) + (1 - weight) * _accuracy(scores, other),
        }

    def mixture(self, draw: Draw) -> tuple[float, Tensor]:
        """Return each image's weight in its mixture, 1 where the batch is not mixed, and its partner."""
        chance, seed = torch.rand(2, generator=draw.generator, dtype=torch.float64).tolist()
        partner = torch.randperm(len(draw.positions), generator=draw.generator)
        partner = partner.to(self.device, non_blocking=True)
        if chance >= self.settings.mixup_probability:
            return 1.0, partner
        # torch's Beta distribution takes no generator.
        alpha = self.settings.mixup_alpha
        return np.random.default_rng(int(seed * 2**53)).beta(alpha, alpha), partner


def _accuracy(scores: Tensor, labels: Tensor) -> Tensor:
    return (scores.detach().argmax(dim=1) == labels).float().mean()
