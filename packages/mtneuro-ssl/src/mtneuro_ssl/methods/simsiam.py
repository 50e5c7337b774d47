"""SimSiam: predict another view's projection by the same network, without a slowly moving copy.

Chen and He, "Exploring simple Siamese representation learning", CVPR 2021.
"""

from lightly.loss.negative_cosine_similarity import NegativeCosineSimilarity
from lightly.models.modules.heads import SimSiamPredictionHead, SimSiamProjectionHead
from torch import Tensor
from typing_extensions import override

from mtneuro_ssl.methods.pairwise import Pairwise


class SimSiam(Pairwise):
    """SimSiam with lightly's heads and loss; the predictor narrows to a quarter, as in its paper."""

    @override
    def build(self, width: int, classes: int) -> None:
        """Add the projector, the predictor and the criterion."""
        hidden, outputs = self.settings.hidden, self.settings.projection
        self.projector = SimSiamProjectionHead(width, hidden, outputs)
        self.predictor = SimSiamPredictionHead(outputs, max(outputs // 4, 1), outputs)
        self.criterion = NegativeCosineSimilarity()

    @override
    def loss(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the mean negative cosine of both directions, between -1 and 1."""
        projections = [self.projector(self.encoder(view)) for view in (first, second)]
        ahead = self.criterion(self.predictor(projections[0]), projections[1].detach())
        back = self.criterion(self.predictor(projections[1]), projections[0].detach())
        return (ahead + back) / 2
