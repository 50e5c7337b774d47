"""MYOW, "mine your own view": BYOL, and predict the nearest other sample.

Azabou et al., "Mine your own vieW: self-supervised learning through across-sample prediction", 2021.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mtneuro_ssl.heads import perceptron
from mtneuro_ssl.methods.base import Draw
from mtneuro_ssl.methods.byol import BYOL
from mtneuro_ssl.mining import nearest_positions
from mtneuro_ssl.processes import process_share
from mtneuro_ssl.schedules import mined_weight
from mtneuro_ssl.views import batch_positions


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What one step of mining needs: a third view of the batch, and the pool to search."""

    view: Float[Tensor, "batch *size"]
    pool: Float[Tensor, "pool *size"]
    pool_positions: Int64[Tensor, " pool"]
    """Which sample each candidate is."""

    view_positions: Int64[Tensor, " batch"] | None = None
    """Which sample each view is; None if a sample may be mined as its own neighbour."""

    ranks: Int64[Tensor, " batch"] | None = None
    """Which of the nearest each view takes, counted from 0; None if all take the nearest."""


def gathered(rows: Float[Tensor, "part features"]) -> Float[Tensor, "pool features"]:
    """Return the rows of all processes, in their order; without gradients."""
    _, count = process_share()
    if count == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(count)]
    torch.distributed.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


class MYOW(BYOL):
    """MYOW: the mined pair goes through a second projector, in cascade behind the first, and a predictor.

    With ``w`` the mined weight, the loss is ``(L_BYOL + w L_mined) / (1 + w)``. A step needs three passes of
    the online encoder and three of the target's; the target's projectors see the mined samples only. While
    ``w`` is 0, a step is BYOL's.
    """

    @property
    def encodes_mined_again(self) -> bool:
        """Whether mined samples pass through the target encoder once more, as a batch of their own."""
        return self.settings.mined_candidates == "online"

    def build(self, width: int, classes: int) -> None:
        """Add BYOL's networks, the second projector and the second predictor."""
        super().build(width, classes)
        hidden, outputs = self.settings.hidden, self.settings.projection
        inputs = outputs if self.settings.mined_layout == "cascaded" else width
        self.mined_projector = perceptron(inputs, hidden=hidden, outputs=outputs)
        self.mined_predictor = perceptron(outputs, hidden=hidden, outputs=outputs)
        self.target_mined_projector = self.slow_copy(self.mined_projector)

    def heads(self) -> nn.ModuleDict:
        """Return BYOL's heads, the second projector and the second predictor."""
        second = {"mined_projector": self.mined_projector, "mined_predictor": self.mined_predictor}
        return nn.ModuleDict({**super().heads(), **second})

    def sample_positions(self, step: int) -> Int64[Tensor, " samples"]:
        """Return the positions of a step's batch and of its pool."""
        return torch.cat([super().sample_positions(step), self.pool_positions(step)])

    def pool_positions(self, step: int) -> Int64[Tensor, " pool"]:
        """Return the positions of the candidates to mine among: a second shuffle of the images."""
        settings, size = self.settings, self.settings.pool_size or self.settings.batch_size
        return batch_positions(len(self.images), size, step=step, seed=settings.seed, stream="pool")

    def step_logs(self, draw: Draw) -> dict[str, Tensor]:
        """Return the joint loss and its terms, and how often the mined sample has the sample's label."""
        views = self.loss(draw.view(), draw.view())
        weight = self.weight_at(draw.step)
        if weight == 0:
            return self._logs_of_byol(views, draw)
        candidates = self.candidates(draw)
        mined, chosen = self.mined_loss(candidates)
        logs = {
            "loss": (views + weight * mined) / (1 + weight),
            "view_loss": views.detach(),
            "mined_loss": mined.detach(),
        }
        if draw.labels is not None:
            labels = draw.labels[candidates.pool_positions]
            logs["mined_accuracy"] = (labels[chosen] == draw.own(draw.batch_labels())).float().mean()
        return logs

    def _logs_of_byol(self, views: Tensor, draw: Draw) -> dict[str, Tensor]:
        """Return the logs of a step without a mined term, whose columns are not numbers."""
        unknown = torch.full((), torch.nan)
        # No gradient, but one of 0: several processes wait for one of each parameter.
        untouched = sum(
            parameter.sum() for network in self.mined_networks() for parameter in network.parameters()
        )
        logs = {"loss": views + 0 * untouched, "view_loss": views.detach(), "mined_loss": unknown}
        return logs if draw.labels is None else {**logs, "mined_accuracy": unknown}

    def mined_networks(self) -> tuple[nn.Module, ...]:
        """Return the trained networks that only the mined term passes through."""
        return (self.mined_projector, self.mined_predictor)

    def candidates(self, draw: Draw) -> Candidates:
        """Return the third view and the pool of a step."""
        settings = self.settings
        positions = self.pool_positions(draw.step)
        view, pool = draw.view(), draw.view(positions)
        own, ranks = draw.own(draw.positions), None
        if settings.mined_neighbours > 1:
            drawn = torch.randint(settings.mined_neighbours, draw.positions.shape, generator=draw.generator)
            ranks = draw.own(drawn)
        return Candidates(
            view=view,
            pool=pool,
            view_positions=own.to(view.device, non_blocking=True) if settings.exclude_self else None,
            pool_positions=positions.to(view.device, non_blocking=True),
            ranks=None if ranks is None else ranks.to(view.device),
        )

    def weight_at(self, step: int) -> float:
        """Return the weight of the mined term at a step."""
        settings, total = self.settings, self.total_steps
        return mined_weight(
            step,
            rampup=round(settings.mined_rampup_fraction * total),
            weight=settings.mined_weight,
            delay=round(settings.mined_delay_fraction * total),
        )

    def mine(self, online: Tensor, candidates: Candidates) -> tuple[Tensor, Tensor]:
        """Return the position in the pool that each sample mines, and the target's features of it."""
        settings = self.settings
        searched = self.encoder if settings.mined_candidates == "online" else self.target_encoder
        with torch.no_grad():
            # At most a batch at a time, for BatchNorm's statistics; each process embeds its part.
            rank, count = process_share()
            parts = candidates.pool.chunk(count)[rank].split(settings.batch_size // count)
            features = gathered(torch.cat([searched(part) for part in parts]))
            own = candidates.view_positions
            forbidden = None if own is None else (own, candidates.pool_positions)
            chosen = nearest_positions(
                online,
                features,
                forbidden=forbidden,
                ranks=candidates.ranks,
                distance=settings.mined_distance,
            )
            again = self.encodes_mined_again
            return chosen, self.target_encoder(candidates.pool[chosen]) if again else features[chosen]

    def mined_loss(self, candidates: Candidates) -> tuple[Tensor, Tensor]:
        """Return ``2 - 2 cos`` between predictions and mined projections, and the mined positions."""
        online = self.encoder(candidates.view)
        chosen, features = self.mine(online, candidates)
        cascaded = self.settings.mined_layout == "cascaded"
        prediction = self.mined_predictor(
            self.mined_projector(self.projector(online) if cascaded else online)
        )
        with torch.no_grad():
            target = self.target_mined_projector(self.target_projector(features) if cascaded else features)
        return 2 + 2 * self.negative_cosine(prediction, target), chosen
