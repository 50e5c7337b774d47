"""DeepSets: an encoder of point clouds, whatever the order and the number of their points.

Zaheer et al., "Deep sets", NeurIPS 2017: rho(sum of phi(point) over the points of a cloud).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from mtneuro_ssl._shared.devices import in_double
from mtneuro_ssl.points import COLUMNS, MOST_CLASSES

_HIDDEN = 128


class DeepSets(nn.Module):
    """An encoder of clouds ``(n, points x 4)``, of class, y, x and size a point; class 0 is no point.

    phi sees place and logarithm of size, standardised by the training points' mean and spread, and adds a
    vector of the class. A point that is none is never computed, and the sum is of 64 bits: neither padding
    nor the order of points changes an embedding.

    Parameters
    ----------
    latent_dim
        Features of an embedding; None for as many as a hidden layer has, 128.
    hidden
        Features of each hidden layer.
    """

    def __init__(self, *, latent_dim: int | None = None, hidden: int = _HIDDEN) -> None:
        super().__init__()
        # Without a momentum: the mean over all batches, since the points do not change in training.
        self.scale = nn.BatchNorm1d(3, affine=False, momentum=None)
        self.place = nn.Linear(3, hidden)
        self.kind = nn.Embedding(MOST_CLASSES + 1, hidden)
        self.phi = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.rho = nn.Sequential(
            nn.BatchNorm1d(hidden),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, latent_dim or hidden),
        )

    def forward(self, clouds: Float[Tensor, "n inputs"]) -> Float[Tensor, "n features"]:
        """Return the embedding of each cloud."""
        points = clouds.unflatten(1, (-1, len(COLUMNS)))
        home, at = (points[:, :, 0] > 0).nonzero(as_tuple=True)
        found = points[home, at]
        place = torch.cat([found[:, 1:3], found[:, 3:].log1p()], dim=1)
        described = in_double(self.phi(self.place(self._standardised(place)) + self.kind(found[:, 0].long())))
        summed = described.new_zeros(len(clouds), described.shape[1])
        return self.rho(summed.index_add(0, home.to(described.device), described).float().to(clouds.device))

    def _standardised(self, place: Float[Tensor, "found 3"]) -> Float[Tensor, "found 3"]:
        if len(place) > 1:
            return self.scale(place)
        # One point alone has no spread to learn.
        return batch_norm(place, self.scale.running_mean, self.scale.running_var, eps=self.scale.eps)


def deepsets(*, latent_dim: int | None) -> nn.Module:
    """Return the encoder of clouds.

    Examples
    --------
    >>> cloud = torch.tensor([[2.0, -10, 4, 80, 1, 0, 0, 300]])
    >>> encoder = deepsets(latent_dim=8).eval()
    >>> encoder(cloud).shape, torch.allclose(encoder(cloud), encoder(cloud.roll(4, dims=1)))
    (torch.Size([1, 8]), True)
    """
    return DeepSets(latent_dim=latent_dim)
