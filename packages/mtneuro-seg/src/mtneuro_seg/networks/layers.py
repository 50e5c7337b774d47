"""Activations and normalisations by name."""

from collections.abc import Callable

from torch import nn

Activation = Callable[[int], nn.Module]
"""Makes an activation of a number of channels."""

ACTIVATIONS: dict[str, Activation] = {
    "relu": lambda _: nn.ReLU(inplace=True),
    "leaky_relu": lambda _: nn.LeakyReLU(0.1, inplace=True),
    "elu": lambda _: nn.ELU(inplace=True),
    "prelu": nn.PReLU,
}
"""Every activation by name; PReLU learns a slope for each channel."""


def norm_layer(name: str, axes: int, width: int) -> nn.Module:
    """Return a normalisation of ``width`` channels.

    Parameters
    ----------
    name
        ``batch``, ``instance``, ``group`` with the number of groups behind it (``group8``), or ``none``.
    axes
        2 for images, 3 for volumes.
    width
        Channels.

    Examples
    --------
    >>> norm_layer("group8", 2, 32).num_groups
    8
    """
    if name == "none":
        return nn.Identity()
    if name.startswith("group"):
        return nn.GroupNorm(int(name.removeprefix("group")), width)
    if name == "instance":
        return nn.InstanceNorm2d(width) if axes == 2 else nn.InstanceNorm3d(width)
    return nn.BatchNorm2d(width) if axes == 2 else nn.BatchNorm3d(width)
