"""MYOW, "mine your own view": BYOL, and predict the nearest other sample.

Azabou et al., "Mine your own vieW: self-supervised learning through across-sample prediction", 2021.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mtneuro_ssl.heads import perceptron
from mtneuro_ssl.method import Draw
from mtneuro_ssl.methods.byol import BYOL
from mtneuro_ssl.mining import nearest_positions
from mtneuro_ssl.schedules import mined_weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What a step mines: a third view of the batch, and the pool that it searches."""

    view: Float[Tensor, "batch 1 h w"]
    pool: Float[Tensor, "pool 1 h w"]
    forbidden: tuple[Int64[Tensor, " batch"], Int64[Tensor, " pool"]] | None


class MYOW(BYOL):
    """MYOW in cascade: the mined pair goes through both projectors and a predictor of its own.

    With ``w`` the mined weight, the loss is ``(L_BYOL + w L_mined) / (1 + w)``. A step needs three passes of
    the online encoder and three of the target's; the target's projectors see the mined samples only.
    """

    def build(self, width: int, classes: int) -> None:
        """Add BYOL's networks, the second projector and the second predictor."""
        super().build(width, classes)
        hidden, outputs = self.settings.hidden, self.settings.projection
        self.mined_projector = perceptron(outputs, hidden=hidden, outputs=outputs)
        self.mined_predictor = perceptron(outputs, hidden=hidden, outputs=outputs)
        self.target_mined_projector = self.slow_copy(self.mined_projector)

    def step_logs(self, draw: Draw) -> dict[str, Tensor]:
        """Return the joint loss and its two terms."""
        views = self.loss(draw.view(), draw.view())
        mined = self.mined_loss(self.candidates(draw))
        weight = self.weight_at(draw.step)
        return {
            "loss": (views + weight * mined) / (1 + weight),
            "view_loss": views.detach(),
            "mined_loss": mined.detach(),
        }

    def candidates(self, draw: Draw) -> Candidates:
        """Return the third view and the pool of a step."""
        pool = draw.pool_positions()
        device = self.device
        forbidden = (draw.positions.to(device), pool.to(device)) if self.settings.exclude_self else None
        return Candidates(view=draw.view(), pool=draw.view(pool), forbidden=forbidden)

    def weight_at(self, step: int) -> float:
        """Return the weight of the mined term at a step."""
        rampup = round(self.settings.mined_rampup_fraction * self.total_steps)
        return mined_weight(step, rampup=rampup, weight=self.settings.mined_weight)

    def pool_features(self, pool: Float[Tensor, "pool 1 h w"]) -> Float[Tensor, "pool features"]:
        """Return the target encoder's features of the pool, at most a batch at a time."""
        with torch.no_grad():
            return torch.cat([self.target_encoder(part) for part in pool.split(self.settings.batch_size)])

    def mined_loss(self, candidates: Candidates) -> Tensor:
        """Return ``2 - 2 cos`` between the prediction from a view and its mined neighbour's projection."""
        online = self.encoder(candidates.view)
        features = self.pool_features(candidates.pool)
        mined = nearest_positions(online, features, forbidden=candidates.forbidden)
        prediction = self.mined_predictor(self.mined_projector(self.projector(online)))
        with torch.no_grad():
            target = self.target_mined_projector(self.target_projector(features[mined]))
        return 2 + 2 * self.negative_cosine(prediction, target)
