"""VICReg: views agree, and features stay varied and uncorrelated.

Bardes et al., "VICReg: variance-invariance-covariance regularization", ICLR 2022.
"""

import torch
from lightly.loss.vicreg_loss import VICRegLoss
from lightly.models.modules.heads import VICRegProjectionHead
from typing_extensions import override

from mtneuro_ssl.methods.pairwise import Pairwise


class VICReg(Pairwise):
    """VICReg with lightly's expander and loss, weighted 25, 25 and 1."""

    @override
    def build(self, width: int, classes: int) -> None:
        """Add the projector and the criterion."""
        hidden, outputs = self.settings.hidden, self.settings.projection
        self.projector = VICRegProjectionHead(width, hidden, outputs)
        self.criterion = VICRegLoss(gather_distributed=torch.distributed.is_available())
