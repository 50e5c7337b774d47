"""The losses that training minimises: cross entropy, focal and Dice, over the pixels that have a label.

Each is a function of sums over pixels, and the sums of the parts of a batch add up to those of the batch. So
a loss depends neither on how many parts a batch is computed in nor on how labels are shared out among them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mtneuro_seg.settings import LossName

_Logits = Float[Tensor, "batch classes *size"]
_PerPixel = Float[Tensor, "batch *size"]
_Labels = Int64[Tensor, "batch *size"]
_Labelled = Bool[Tensor, "batch *size"]
_Weights = Float[Tensor, " classes"]
_Sums = Float[Tensor, " sums"]

_FOCUS = 2.0
"""The exponent of the focal loss, as in its paper."""

_SMOOTH = 1.0
"""Added above and below the line of the Dice ratio, so that it is defined for an absent class."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss: called with class scores, labels and which pixels have one, it returns its value.

    Examples
    --------
    >>> labels = torch.tensor([[0, 1]])
    >>> float(cross_entropy(torch.zeros(1, 2, 2), labels, labels >= 0))  # ln 2
    0.693...
    >>> float(focal(torch.zeros(1, 2, 2), labels, labels >= 0))  # ln 2 / 4
    0.173...
    """

    sums: Callable[[_Logits, _Labels, _Labelled, _Weights | None], _Sums]
    """Sums over the pixels."""

    value: Callable[[_Sums, _Weights | None], Float[Tensor, ""]]
    """The loss of such sums."""

    is_mean: bool = True
    """Whether it is a mean over pixels: a sum of losses over another sum, which the labels alone decide."""

    def __call__(
        self, logits: _Logits, labels: _Labels, labelled: _Labelled, *, weights: _Weights | None = None
    ) -> Float[Tensor, ""]:
        """Return the loss of a batch."""
        return self.value(self.sums(logits, labels, labelled, weights), weights)


def shares(labels: _Labels, labelled: _Labelled, weights: _Weights | None) -> _PerPixel:
    """Return how much each pixel counts in a mean: as its class weighs, or 0 if it has no label."""
    return labelled.float() if weights is None else weights[labels] * labelled


def _entropy(logits: _Logits, labels: _Labels) -> _PerPixel:
    return nn.functional.cross_entropy(logits, labels, reduction="none")


def _entropy_sums(logits: _Logits, labels: _Labels, labelled: _Labelled, weights: _Weights | None) -> _Sums:
    counted = shares(labels, labelled, weights)
    return torch.stack([(_entropy(logits, labels) * counted).sum(), counted.sum()])


def _focal_sums(logits: _Logits, labels: _Labels, labelled: _Labelled, weights: _Weights | None) -> _Sums:
    counted, entropy = shares(labels, labelled, weights), _entropy(logits, labels)
    losses = (1 - torch.exp(-entropy)) ** _FOCUS * entropy
    return torch.stack([(losses * counted).sum(), counted.sum()])


def _mean(sums: _Sums, _: _Weights | None) -> Float[Tensor, ""]:
    """Return the mean; 0, with a gradient of 0, where no pixel has a label."""
    return sums[0] / sums[1].clamp(min=1e-12)


def _dice_sums(logits: _Logits, labels: _Labels, labelled: _Labelled, _: _Weights | None) -> _Sums:
    axes = [0, *range(2, logits.ndim)]
    found = logits.float().softmax(dim=1) * labelled[:, None]
    truth = nn.functional.one_hot(labels, logits.shape[1]).movedim(-1, 1) * labelled[:, None]
    return torch.cat([(found * truth).sum(axes), found.sum(axes), truth.sum(axes).float()])


def _overlap(sums: _Sums, weights: _Weights | None) -> Float[Tensor, ""]:
    """Return one minus the overlap of found and true pixels, averaged over the classes by weight."""
    both, found, truth = sums.chunk(3)
    per_class = 1 - (2 * both + _SMOOTH) / (found + truth + _SMOOTH)
    if weights is None:
        return per_class.mean()
    return (per_class * weights).sum() / weights.sum()


def _sums_of_both(logits: _Logits, labels: _Labels, labelled: _Labelled, weights: _Weights | None) -> _Sums:
    given = (logits, labels, labelled, weights)
    return torch.cat([_dice_sums(*given), _entropy_sums(*given)])


def _sum_of_both(sums: _Sums, weights: _Weights | None) -> Float[Tensor, ""]:
    return _overlap(sums[:-2], weights) + _mean(sums[-2:], weights)


cross_entropy = Loss(_entropy_sums, _mean)
"""The cross entropy, averaged over the labelled pixels by the weights of their classes."""

focal = Loss(_focal_sums, _mean)
"""The focal loss (Lin et al., 2017): cross entropy that counts less where the network is sure."""

dice = Loss(_dice_sums, _overlap, is_mean=False)
"""One minus the soft Dice overlap (Milletari et al., 2016), averaged over the classes by weight.

The overlap is that of the whole batch: image by image, the loss of a rare class would jump."""

LOSSES: dict[LossName, Loss] = {
    "cross_entropy": cross_entropy,
    "dice": dice,
    "dice_cross_entropy": Loss(_sums_of_both, _sum_of_both, is_mean=False),
    "focal": focal,
}
"""Every loss by the name that settings use; ``dice_cross_entropy`` is the sum of the two."""


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
