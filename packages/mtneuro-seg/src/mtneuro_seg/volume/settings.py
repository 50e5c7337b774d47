"""Settings of a sliding window, checked when they are made."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from mtneuro_seg._shared.settings import Settings


class SweepSettings(Settings):
    """How a window slides over a volume.

    Examples
    --------
    >>> SweepSettings(overlap=0.5).batch_size
    4
    """

    window: tuple[PositiveInt, ...] | None = None
    """Size of a window, ``(y, x)`` for 2D networks and ``(z, y, x)`` for 3D ones; by default the size of the
    images that the network was trained on."""

    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Fraction of a window that the next one overlaps."""

    batch_size: PositiveInt = 4
    """Windows in a batch; lower it if memory runs out."""

    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """Arithmetic of the network. bf16 is several times faster on processors made for it, and refused if, in
    a batch of windows, its labels agree with those of ``32-true`` in less than 0.999 of the voxels."""

    flips: bool = False
    """Test-time augmentation: average each window's scores with those of its flips along y, x and both."""
