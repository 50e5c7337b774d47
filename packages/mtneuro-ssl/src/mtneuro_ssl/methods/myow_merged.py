"""MYOW-m, "merged": MYOW with one projector and one predictor for both tasks."""

import torch
from torch import Tensor

from mtneuro_ssl.methods.byol import BYOL
from mtneuro_ssl.methods.myow import MYOW, Candidates


class MYOWMerged(MYOW):
    """MYOW whose mined pair goes through BYOL's own projector and predictor, half of its loss each way.

    The other way needs the mined samples' gradients, so a step passes four views through each encoder.
    """

    def build(self, width: int, classes: int) -> None:
        """Add BYOL's networks alone."""
        BYOL.build(self, width, classes)

    def mined_loss(self, candidates: Candidates) -> tuple[Tensor, Tensor]:
        """Return the symmetric loss between views and the samples nearest to them, and what was mined."""
        online = self.encoder(candidates.view)
        chosen, features = self.mine(online, candidates)
        forward = self.predictor(self.projector(online))
        backward = self.predictor(self.projector(self.encoder(candidates.pool[chosen])))
        with torch.no_grad():
            target = self.target_projector(features)
            target_back = self.target_projector(self.target_encoder(candidates.view))
        loss = 2 + self.negative_cosine(forward, target) + self.negative_cosine(backward, target_back)
        return loss, chosen
