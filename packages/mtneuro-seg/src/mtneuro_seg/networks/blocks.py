"""Parts that several networks are built of."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


def joined(
    features: Float[Tensor, "batch _ *size"], skip: Float[Tensor, "batch _ *size"]
) -> Float[Tensor, "batch _ *size"]:
    """Return two feature maps as one, the channels of ``features`` first.

    As ``torch.cat`` along axis 1, but the gradient of ``features`` is handed back dense. A slice of the whole
    gradient, which ``torch.cat`` hands back, makes the batch normalisation behind it many times slower on a
    CPU.

    Examples
    --------
    >>> joined(torch.zeros(1, 2, 4, 4), torch.ones(1, 3, 4, 4)).shape
    torch.Size([1, 5, 4, 4])
    """
    found: Tensor = _Joining.apply(features, skip)  # pyright: ignore[reportAssignmentType] (torch's stub)
    return found


class _Joining(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, skip: Tensor) -> Tensor:
        ctx.width = features.shape[1]
        return torch.cat((features, skip), dim=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride] (torch's stub)
        # A copy keeps the order of the axes in memory, such as channels last.
        return gradient[:, : ctx.width].clone(), gradient[:, ctx.width :]


class DepthPadded(nn.Module):
    """Pad thin subvolumes to the depth that a network needs.

    The last slice is repeated up to the next multiple, and the scores are cropped back.
    """

    def __init__(self, network: nn.Module, *, multiple: int) -> None:
        super().__init__()
        self.network = network
        self.multiple = multiple

    def forward(self, images: Float[Tensor, "batch 1 z y x"]) -> Float[Tensor, "batch classes z y x"]:
        """Return the class scores (logits) of every voxel."""
        depth = images.shape[2]
        lacking = -depth % self.multiple
        padded = nn.functional.pad(images, (0, 0, 0, 0, 0, lacking), mode="replicate")
        return self.network(padded)[:, :, :depth]
