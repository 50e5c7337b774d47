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


_FEW = 20480
"""Channels x depth x height of a batch of one up to which torch leaves oneDNN out, in its `use_mkldnn`."""


class Convolution3d(nn.Conv3d):
    """A 3D convolution of step 1 that is fast for one subvolume too.

    On a CPU torch convolves a single small subvolume by a matrix product of its own, and two by oneDNN, which
    takes a fifth of the time for each. So a single one is taken as two halves of its height, which overlap by
    what the kernel reaches.

    Parameters
    ----------
    before, after
        Channels of input and output.
    size
        Of the kernel, along each axis.
    padding
        Zeros at each border.
    dilation
        Distance of the kernel's voxels.

    Examples
    --------
    >>> Convolution3d(1, 8, 3, padding=1)(torch.zeros(1, 1, 8, 16, 15)).shape
    torch.Size([1, 8, 8, 16, 15])
    """

    def __init__(self, before: int, after: int, size: int, *, padding: int = 0, dilation: int = 1) -> None:
        super().__init__(before, after, size, padding=padding, dilation=dilation)
        self._reach = dilation * (size - 1)
        self._around = padding

    def forward(self, images: Float[Tensor, "batch before z y x"]) -> Float[Tensor, "batch after _ _ _"]:  # pyright: ignore[reportIncompatibleMethodOverride] (torch's name for it is a builtin's)
        """Return the images convolved."""
        height = images.shape[3] + 2 * self._around - self._reach
        if height < 2 or not self._reach or not _left_out(images):
            return super().forward(images)
        padded = nn.functional.pad(images, (0, 0, self._around, self._around))
        rows = -(-height // 2)
        both = torch.cat((padded[..., : rows + self._reach, :], padded[..., height - rows :, :]))
        upper, lower = nn.functional.conv3d(
            both,
            self.weight,
            self.bias,
            padding=(self._around, 0, self._around),
            dilation=self.dilation,
        )
        # Of an odd height, the middle row is in both.
        return torch.cat((upper, lower[..., 2 * rows - height :, :]), dim=2)[None]


def _left_out(images: Float[Tensor, "batch _ z y x"]) -> bool:
    """Return whether torch would convolve without oneDNN; False where it compiles or exports the network."""
    if torch.compiler.is_compiling() or images.device.type != "cpu" or images.dtype != torch.float32:
        return False
    return images.shape[0] == 1 and images.shape[1] * images.shape[2] * images.shape[3] <= _FEW


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
