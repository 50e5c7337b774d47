"""MYOW-m, "merged": MYOW with one projector and one predictor for both tasks."""

import torch
from torch import Tensor

from mtneuro_ssl.methods.byol import BYOL
from mtneuro_ssl.methods.myow import MYOW, Candidates
from mtneuro_ssl.mining import nearest_positions


class MYOWMerged(MYOW):
    """MYOW whose mined pair goes through BYOL's own projector and predictor, half of its loss each way.

    The other way needs the mined samples' gradients, so a step passes four views through each encoder.
    """

    def build(self, width: int, classes: int) -> None:
        """Add BYOL's networks alone."""
        BYOL.build(self, width, classes)

    def mined_loss(self, candidates: Candidates) -> Tensor:
        """Return the symmetric loss between a view and the pool's sample nearest to it."""
        online = self.encoder(candidates.view)
        features = self.pool_features(candidates.pool)
        mined = nearest_positions(online, features, forbidden=candidates.forbidden)
        forward = self.predictor(self.projector(online))
        backward = self.predictor(self.projector(self.encoder(candidates.pool[mined])))
        with torch.no_grad():
            target = self.target_projector(features[mined])
            target_back = self.target_projector(self.target_encoder(candidates.view))
        return 2 + self.negative_cosine(forward, target) + self.negative_cosine(backward, target_back)
