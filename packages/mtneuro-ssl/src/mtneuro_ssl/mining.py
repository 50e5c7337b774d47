"""Find the nearest other sample."""

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import normalize


@torch.no_grad()
def nearest_positions(
    queries: Float[Tensor, "queries features"],
    pool: Float[Tensor, "pool features"],
    *,
    forbidden: tuple[Int64[Tensor, " queries"], Int64[Tensor, " pool"]] | None = None,
    ranks: Int64[Tensor, " queries"] | None = None,
    distance: Literal["cosine", "l2"] = "cosine",
) -> Int64[Tensor, " queries"]:
    """Return, for each query, the position in the pool of its nearest neighbour.

    The search is exact: one matrix product of all queries with the whole pool.

    Parameters
    ----------
    queries, pool
        Representations.
    forbidden
        An identity for each query and for each member of the pool: a query never finds a member of its own
        identity.
    ranks
        Which of the nearest each query takes; 0, the nearest, by default.
    distance
        ``cosine`` similarity, or the Euclidean distance, ``l2``.

    Examples
    --------
    >>> pool = torch.tensor([[1.0, 0], [0, 2], [3, 3]])
    >>> nearest_positions(torch.tensor([[5.0, 1], [0, 1]]), pool)
    tensor([0, 1])
    """
    if distance == "cosine":
        similarity = normalize(queries, dim=1) @ normalize(pool, dim=1).T
    else:
        similarity = -torch.cdist(queries, pool)
    if forbidden is not None:
        own, others = forbidden
        similarity.masked_fill_(own[:, None] == others[None, :], -torch.inf)
    if ranks is None:
        return similarity.argmax(dim=1)
    nearest = similarity.topk(int(ranks.max()) + 1, dim=1).indices
    return nearest.gather(1, ranks[:, None])[:, 0]
