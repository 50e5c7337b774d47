"""Barlow Twins: the cross-correlation of two views' features is the identity.

Zbontar et al., "Barlow twins: self-supervised learning via redundancy reduction", ICML 2021.
"""

import torch
from lightly.loss.barlow_twins_loss import BarlowTwinsLoss
from lightly.models.modules.heads import BarlowTwinsProjectionHead
from typing_extensions import override

from mtneuro_ssl.methods.pairwise import Pairwise


class BarlowTwins(Pairwise):
    """Barlow Twins with lightly's projector and loss, whose redundancy term weighs 0.005."""

    @override
    def build(self, width: int, classes: int) -> None:
        """Add the projector and the criterion."""
        hidden, outputs = self.settings.hidden, self.settings.projection
        self.projector = BarlowTwinsProjectionHead(width, hidden, outputs)
        self.criterion = BarlowTwinsLoss(gather_distributed=torch.distributed.is_available())
