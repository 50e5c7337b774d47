"""The losses that training minimises: cross entropy, focal and Dice, over the pixels that have a label."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mtneuro_seg.settings import LossName

_Logits = Float[Tensor, "batch classes *size"]
_PerPixel = Float[Tensor, "batch *size"]
_Labels = Int64[Tensor, "batch *size"]
_Labelled = Bool[Tensor, "batch *size"]
_Weights = Float[Tensor, " classes"]

_FOCUS = 2.0
"""The exponent of the focal loss, as in its paper."""

_SMOOTH = 1.0
"""Added above and below the line of the Dice ratio, so that it is defined for an absent class."""


def cross_entropy(
    logits: _Logits, labels: _Labels, labelled: _Labelled, *, weights: _Weights | None = None
) -> Float[Tensor, ""]:
    """Return the cross entropy, averaged over the labelled pixels by the weights of their classes.

    Examples
    --------
    >>> labels = torch.tensor([[0, 1]])
    >>> float(cross_entropy(torch.zeros(1, 2, 2), labels, labels >= 0))  # ln 2
    0.693...
    """
    return _mean(_entropy(logits, labels), labels, labelled, weights)


def focal(
    logits: _Logits, labels: _Labels, labelled: _Labelled, *, weights: _Weights | None = None
) -> Float[Tensor, ""]:
    """Return the focal loss (Lin et al., 2017): cross entropy that counts less where the network is sure.

    Examples
    --------
    >>> labels = torch.tensor([[0, 1]])
    >>> float(focal(torch.zeros(1, 2, 2), labels, labels >= 0))  # ln 2 / 4
    0.173...
    """
    entropy = _entropy(logits, labels)
    return _mean((1 - torch.exp(-entropy)) ** _FOCUS * entropy, labels, labelled, weights)


def dice(
    logits: _Logits, labels: _Labels, labelled: _Labelled, *, weights: _Weights | None = None
) -> Float[Tensor, ""]:
    """Return one minus the soft Dice overlap (Milletari et al., 2016), averaged over the classes by weight.

    The overlap is that of the whole batch: image by image, the loss of a rare class would jump.
    """
    axes = [0, *range(2, logits.ndim)]
    shares = logits.float().softmax(dim=1) * labelled[:, None]
    truth = nn.functional.one_hot(labels, logits.shape[1]).movedim(-1, 1) * labelled[:, None]
    overlap = 2 * (shares * truth).sum(axes) + _SMOOTH
    per_class = 1 - overlap / (shares.sum(axes) + truth.sum(axes) + _SMOOTH)
    if weights is None:
        return per_class.mean()
    return (per_class * weights).sum() / weights.sum()


def dice_cross_entropy(
    logits: _Logits, labels: _Labels, labelled: _Labelled, *, weights: _Weights | None = None
) -> Float[Tensor, ""]:
    """Return the sum of `dice` and `cross_entropy`."""
    terms = [loss(logits, labels, labelled, weights=weights) for loss in (dice, cross_entropy)]
    return terms[0] + terms[1]


LOSSES: dict[LossName, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "dice": dice,
    "dice_cross_entropy": dice_cross_entropy,
    "focal": focal,
}
"""Every loss by the name that settings use."""


def balanced_weights(counts: Int64[Tensor, " classes"]) -> _Weights:
    """Return weights by which every class that occurs counts as much as any other.

    Parameters
    ----------
    counts
        Pixels of each class.

    Examples
    --------
    >>> balanced_weights(torch.tensor([6, 2, 0]))
    tensor([0.6667, 2.0000, 1.0000])
    """
    present = counts > 0
    even = counts.sum() / present.sum()
    return torch.where(present, even / counts.clamp(min=1), 1.0).float()


def _entropy(logits: _Logits, labels: _Labels) -> _PerPixel:
    return nn.functional.cross_entropy(logits, labels, reduction="none")


def _mean(
    losses: _PerPixel, labels: _Labels, labelled: _Labelled, weights: _Weights | None
) -> Float[Tensor, ""]:
    """Return the weighted mean over the labelled pixels; 0, with a gradient of 0, where there is none."""
    shares = labelled.float() if weights is None else weights[labels] * labelled
    return (losses * shares).sum() / shares.sum().clamp(min=1e-12)
