"""Acquisition functions: how much a person's labels of a part of a volume would teach, and which to ask for.

The words are those of B. Settles (2009), Active learning literature survey, University of Wisconsin-Madison.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int64, Real
from torch import Tensor
from torch.special import entr

from mtneuro_seg.settings import UncertaintyName

_Probabilities = Float[Tensor, "classes *size"]
_Corners = Int64[np.ndarray, "boxes 3"]


def entropy(probabilities: _Probabilities) -> Float[Tensor, "*size"]:
    """Return the entropy of the classes of each pixel, -Σ p ln p over ln(classes): 0 sure, 1 all alike.

    C. E. Shannon (1948), A mathematical theory of communication, Bell System Technical Journal 27, 379-423.

    Examples
    --------
    >>> import torch
    >>> entropy(torch.tensor([[0.5, 1.0], [0.5, 0.0]]))
    tensor([1., 0.])
    """
    return entr(probabilities).sum(dim=0) / math.log(len(probabilities))


def margin(probabilities: _Probabilities) -> Float[Tensor, "*size"]:
    """Return 1 minus what the most probable class of each pixel is ahead of the second: 0 sure, 1 a tie.

    T. Scheffer, C. Decomain and S. Wrobel (2001), Active hidden Markov models for information extraction,
    Advances in Intelligent Data Analysis, 309-318.

    Examples
    --------
    >>> import torch
    >>> margin(torch.tensor([[0.5, 0.75], [0.5, 0.25]]))
    tensor([1.0000, 0.5000])
    """
    first, second = probabilities.topk(2, dim=0).values
    return 1 - (first - second)


UNCERTAINTIES: dict[UncertaintyName, Callable[[_Probabilities], Float[Tensor, "*size"]]] = {
    "entropy": entropy,
    "margin": margin,
}
"""How unsure a model is of each pixel, by the name that settings use."""


def overlapping(
    corners: _Corners, size: Sequence[int], *, lower: Sequence[int], upper: Sequence[int]
) -> Bool[np.ndarray, " boxes"]:
    """Return which boxes of one size share a voxel with the half-open box from ``lower`` to ``upper``.

    Examples
    --------
    >>> overlapping(np.array([[0, 0, 0], [0, 0, 4]]), (1, 4, 4), lower=(0, 2, 2), upper=(1, 6, 4))
    array([ True, False])
    """
    reached = (corners < np.asarray(upper)) & (corners + np.asarray(size) > np.asarray(lower))
    return np.logical_and.reduce(reached, axis=1)


def highest_apart(
    scores: Real[np.ndarray, " boxes"], corners: _Corners, size: Sequence[int], *, count: int
) -> list[int]:
    """Return the boxes of the highest scores, the highest first, none of which overlap.

    Of equal scores, the earlier box comes first.

    Parameters
    ----------
    scores
        A number a box.
    corners
        First voxel ``(z, y, x)`` of each box.
    size
        Voxels of every box along z, y and x.
    count
        Boxes to return; there are fewer where no further one fits.

    Examples
    --------
    >>> corners = np.array([[0, 0, 0], [0, 0, 2], [0, 0, 4]])
    >>> highest_apart(np.array([1, 3, 2]), corners, (1, 4, 4), count=2)
    [1]
    >>> highest_apart(np.array([3, 1, 3]), corners, (1, 4, 4), count=2)
    [0, 2]
    """
    free = np.ones(len(corners), bool)
    chosen: list[int] = []
    for box in map(int, np.argsort(-scores, kind="stable")):
        if len(chosen) == count:
            break
        if free[box]:
            chosen.append(box)
            free &= ~_beside(corners, size, box)
    return chosen


def farthest_apart(
    embeddings: Real[np.ndarray, "boxes features"],
    corners: _Corners,
    size: Sequence[int],
    *,
    count: int,
    centres: Sequence[int] = (),
    free: Bool[np.ndarray, " boxes"] | None = None,
) -> tuple[list[int], list[float]]:
    """Return the boxes that greedy k-center takes, none of which overlap, and how far each was from the rest.

    Each box is the one that is farthest, by Euclidean distance of the embeddings, from its nearest centre;
    it is then a centre itself. O. Sener and S. Savarese (2018), Active learning for convolutional neural
    networks: a core-set approach, ICLR; at most twice the best radius, by T. F. Gonzalez (1985), Clustering
    to minimize the maximum intercluster distance, Theoretical Computer Science 38, 293-306.

    Parameters
    ----------
    embeddings
        A vector a box.
    corners
        First voxel ``(z, y, x)`` of each box.
    size
        Voxels of every box along z, y and x.
    count
        Boxes to return; there are fewer where no further one fits.
    centres
        Boxes that are centres from the start, such as those that are annotated. Without any, the first box
        is the one nearest to the mean of all.
    free
        Boxes that may be taken; by default all but the centres.

    Returns
    -------
    chosen, distances
        The boxes in the order in which they were taken, and each one's distance to its nearest centre then.
        Of equal distances, the earlier box comes first.

    Examples
    --------
    >>> corners = np.array([[0, 0, 0], [0, 0, 4], [0, 0, 8]])
    >>> farthest_apart(np.array([[0.0], [1.0], [5.0]]), corners, (1, 4, 4), count=2, centres=[1])
    ([2, 0], [4.0, 1.0])
    """
    vectors = np.asarray(embeddings, np.float32)
    free = np.ones(len(corners), bool) if free is None else free.copy()
    free[list(centres)] = False
    nearest = np.full(len(corners), np.inf)
    for centre in centres:
        np.minimum(nearest, _squares(vectors, vectors[centre]), out=nearest)
    chosen: list[int] = []
    distances: list[float] = []
    while len(chosen) < count and free.any():
        if np.isinf(nearest).all():
            from_mean = _squares(vectors, vectors.mean(axis=0, dtype=np.float64))
            box = int(np.where(free, from_mean, np.inf).argmin())
            distances.append(float(from_mean[box] ** 0.5))
        else:
            box = int(np.where(free, nearest, -1).argmax())
            distances.append(float(nearest[box] ** 0.5))
        chosen.append(box)
        np.minimum(nearest, _squares(vectors, vectors[box]), out=nearest)
        free &= ~_beside(corners, size, box)
    return chosen, distances


def _beside(corners: _Corners, size: Sequence[int], box: int) -> Bool[np.ndarray, " boxes"]:
    """Return which boxes overlap one of them, itself included."""
    lower = corners[box].tolist()
    upper = [at + edge for at, edge in zip(lower, size, strict=True)]
    return overlapping(corners, size, lower=lower, upper=upper)


def _squares(vectors: np.ndarray, other: np.ndarray) -> Float[np.ndarray, " boxes"]:
    """Return the squared distance of each vector to another one."""
    return np.square(vectors - other, dtype=np.float64).sum(axis=1)
