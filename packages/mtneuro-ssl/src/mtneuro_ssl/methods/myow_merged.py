"""MYOW-m, "merged": MYOW with one projector and one predictor for both tasks."""

import torch
from torch import Tensor, nn

from mtneuro_ssl.methods.byol import BYOL
from mtneuro_ssl.methods.myow import MYOW, Candidates


class MYOWMerged(MYOW):
    """MYOW whose mined pair goes through BYOL's own projector and predictor, half of its loss each way.

    Each way needs one side of the pair from the online encoder and the other from the target's, so a step
    passes four batches through the online encoder: BYOL's two views, the third view, and the mined samples;
    and five through the target's: the pool too. The mined samples are passed again although the pool holds
    them, as in the original code, since BatchNorm's statistics are then their own; ``reencode_mined=False``
    saves that pass. (The original passes the third view through the online encoder twice.)
    """

    @property
    def encodes_mined_again(self) -> bool:
        """Whether mined samples pass through the target encoder once more, as a batch of their own."""
        return self.settings.reencode_mined or super().encodes_mined_again

    def mined_networks(self) -> tuple[nn.Module, ...]:
        """Return none: both terms pass through all networks."""
        return ()

    def build(self, width: int, classes: int) -> None:
        """Add BYOL's networks and no others."""
        BYOL.build(self, width, classes)

    def heads(self) -> nn.ModuleDict:
        """Return BYOL's heads."""
        return BYOL.heads(self)

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
