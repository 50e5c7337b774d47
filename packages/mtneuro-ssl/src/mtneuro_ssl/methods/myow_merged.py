"""MYOW-m, "merged": MYOW with one projector and one predictor for both tasks."""

import torch
from torch import Tensor

from mtneuro_ssl.methods.byol import BYOL
from mtneuro_ssl.methods.myow import MYOW, Candidates


class MYOWMerged(MYOW):
    """MYOW whose mined pair goes through BYOL's own projector and predictor, half of its loss each way.

    Each way needs one side of the pair from the online encoder and the other from the target's, so a step
    passes four batches through each: BYOL's two views, the third view, and the mined samples (for the
    target, the pool that they are mined from). No result can be used twice, since the two encoders have
    different weights, and no two passes can be joined, since BatchNorm's statistics are each view's. The
    original code makes five passes through each.
    """

    def build(self, width: int, classes: int) -> None:
        """Add BYOL's networks and no others."""
        BYOL.build(self, width, classes)

    def mined_loss(self, candidates: Candidates) -> tuple[Tensor, Tensor]:
        """Return the symmetric loss between views and their nearest samples, and the mined positions."""
        online = self.encoder(candidates.view)
        chosen, features = self.mine(online, candidates)
        forward = self.predictor(self.projector(online))
        backward = self.predictor(self.projector(self.encoder(candidates.pool[chosen])))
        with torch.no_grad():
            target = self.target_projector(features)
            target_back = self.target_projector(self.target_encoder(candidates.view))
        loss = 2 + self.negative_cosine(forward, target) + self.negative_cosine(backward, target_back)
        return loss, chosen
