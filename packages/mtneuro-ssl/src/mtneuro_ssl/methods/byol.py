"""BYOL: predict a slowly moving copy's projection of another view.

Grill et al., "Bootstrap your own latent", NeurIPS 2020.
"""

import copy
from collections.abc import Mapping

import torch
from lightly.loss.negative_cosine_similarity import NegativeCosineSimilarity
from lightly.models.utils import deactivate_requires_grad, update_momentum
from torch import Tensor, nn
from typing_extensions import override

from mtneuro_ssl.heads import perceptron
from mtneuro_ssl.methods.pairwise import Pairwise
from mtneuro_ssl.schedules import target_momentum


class BYOL(Pairwise):
    """BYOL as the paper runs it.

    The loss is ``1/2 (2 - 2 cos) + 1/2 (2 - 2 cos)``: lightly's negative cosine similarity of both
    directions, summed and not averaged, plus 2. The target follows after the optimiser's step, parameters
    only, and normalises by its own batch statistics. Views are passed one by one, since BatchNorm's
    statistics are each view's own.
    """

    @override
    def build(self, width: int, classes: int) -> None:
        """Add the projector, the predictor and the target network."""
        hidden, outputs = self.settings.hidden, self.settings.projection
        self.projector = perceptron(width, hidden=hidden, outputs=outputs)
        self.predictor = perceptron(outputs, hidden=hidden, outputs=outputs)
        self.followed: list[tuple[nn.Module, nn.Module]] = []
        self.target_encoder = self.slow_copy(self.encoder)
        self.target_projector = self.slow_copy(self.projector)
        self.negative_cosine = NegativeCosineSimilarity()

    def heads(self) -> nn.ModuleDict:
        """Return the projector and the predictor."""
        return nn.ModuleDict({"projector": self.projector, "predictor": self.predictor})

    def start(self, heads: Mapping[str, Tensor]) -> None:
        """Take the weights of another run's heads; the target begins as a copy of the online network."""
        super().start(heads)
        for network, target in self.followed:
            target.load_state_dict(network.state_dict())

    def slow_copy(self, network: nn.Module) -> nn.Module:
        """Return a copy that takes no gradient and follows the network after each step."""
        target = copy.deepcopy(network)
        deactivate_requires_grad(target)
        self.followed.append((network, target))
        return target

    @override
    def loss(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the symmetric loss of two views: 0 where both predictions are right, 4 at worst."""
        predictions = [self.predictor(self.projector(self.encoder(view))) for view in (first, second)]
        with torch.no_grad():
            targets = [self.target_projector(self.target_encoder(view)) for view in (first, second)]
        return (
            2
            + self.negative_cosine(predictions[0], targets[1])
            + self.negative_cosine(predictions[1], targets[0])
        )

    def after_step(self, step: int) -> None:
        """Move the target a little towards the online network."""
        settings = self.settings
        momentum = target_momentum(
            step,
            self.total_steps,
            base=settings.target_momentum,
            constant=settings.target_schedule == "constant",
        )
        for network, target in self.followed:
            update_momentum(network, target, m=momentum)
