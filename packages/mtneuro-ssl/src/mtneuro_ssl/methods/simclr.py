"""SimCLR: tell another view of the same image from views of other images.

Chen et al., "A simple framework for contrastive learning of visual representations", ICML 2020.
"""

import torch
from lightly.loss.ntx_ent_loss import NTXentLoss
from lightly.models.modules.heads import SimCLRProjectionHead
from typing_extensions import override

from mtneuro_ssl.methods.pairwise import Pairwise


class SimCLR(Pairwise):
    """SimCLR with lightly's projector and loss; a batch's other images are the negatives."""

    @override
    def build(self, width: int, classes: int) -> None:
        """Add the projector and the criterion."""
        hidden, outputs = self.settings.hidden, self.settings.projection
        self.projector = SimCLRProjectionHead(width, hidden, outputs)
        self.criterion = NTXentLoss(
            temperature=self.settings.temperature, gather_distributed=torch.distributed.is_available()
        )
