"""A box of voxels: the unit that is requested, cached and compared."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["CubeSpec", "check_box"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeSpec:
    """A half-open voxel box in one channel, at one resolution level.

    Corners are literal voxel indices at ``level``, ordered ``(z, y, x)`` to match the arrays that a
    volume returns. ``lower`` is inside the box and ``upper`` is not, so stacked boxes reuse a bound
    and never a voxel.

    Examples
    --------
    >>> box = CubeSpec(channel="prasad/prasad2020/image", lower=(110, 900, 4600), upper=(380, 1156, 4856))
    >>> box.shape
    (270, 256, 256)
    """

    channel: str
    """Where the voxels are: a database path ``collection/experiment/channel``, or any URI."""

    lower: tuple[int, int, int]
    """First voxel on each axis, ``(z, y, x)``."""

    upper: tuple[int, int, int]
    """One past the last voxel on each axis, ``(z, y, x)``."""

    level: int = 0
    """Resolution level; 0 is the finest."""

    def __post_init__(self) -> None:
        for axis, lo, hi in zip("zyx", self.lower, self.upper, strict=True):
            if not 0 <= lo < hi:
                raise ValueError(f"{axis} range must satisfy 0 <= lower < upper, got [{lo}, {hi})")
        if self.level < 0:
            raise ValueError(f"level must be 0 or more, got {self.level}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels on each axis, ``(z, y, x)``."""
        (z0, y0, x0), (z1, y1, x1) = self.lower, self.upper
        return (z1 - z0, y1 - y0, x1 - x0)

    def shares_voxels(self, other: "CubeSpec") -> bool:
        """Return whether a voxel lies in both boxes.

        Boxes of different channels are compared too: the channels of one volume are aligned.

        Raises
        ------
        ValueError
            If the boxes lie at different levels, whose indices cannot be compared.

        Examples
        --------
        >>> a = CubeSpec(channel="c", lower=(0, 0, 0), upper=(4, 4, 4))
        >>> a.shares_voxels(CubeSpec(channel="c", lower=(3, 3, 3), upper=(5, 5, 5)))
        True
        """
        return all(gap < 0 for gap in self._gaps(other))

    def touches(self, other: "CubeSpec") -> bool:
        """Return whether the boxes share a face, or part of one, and no voxel.

        Raises
        ------
        ValueError
            If the boxes lie at different levels.

        Examples
        --------
        >>> a = CubeSpec(channel="c", lower=(0, 0, 0), upper=(4, 4, 4))
        >>> a.touches(CubeSpec(channel="c", lower=(0, 4, 2), upper=(4, 8, 6)))
        True
        """
        gaps = self._gaps(other)
        return sum(gap == 0 for gap in gaps) == 1 and sum(gap < 0 for gap in gaps) == 2

    def _gaps(self, other: "CubeSpec") -> tuple[int, ...]:
        """Voxels between the boxes on each axis; negative where their ranges overlap."""
        if self.level != other.level:
            raise ValueError(
                f"boxes must lie at one level to be compared, got levels {self.level} and {other.level}"
            )
        return tuple(
            max(a, b) - min(c, d)
            for a, b, c, d in zip(self.lower, other.lower, self.upper, other.upper, strict=True)
        )


def check_box(lower: Sequence[int], upper: Sequence[int], shape: Sequence[int], /, *, what: str) -> None:
    """Refuse a box that is empty or leaves a volume.

    Parameters
    ----------
    lower, upper
        Half-open corners ``(z, y, x)``.
    shape
        Voxels of the volume, ``(z, y, x)``.
    what
        The volume's name in the message.

    Raises
    ------
    ValueError
        If the box is not three-dimensional.
    IndexError
        If a range is empty, negative or beyond the volume.
    """
    if len(lower) != 3 or len(upper) != 3:
        raise ValueError(f"a box needs three bounds (z, y, x) each way, got {lower} and {upper}")
    for axis, lo, hi, size in zip("zyx", lower, upper, shape, strict=True):
        if not 0 <= lo < hi <= size:
            rule = "must not be empty" if 0 <= lo <= size and lo >= hi else f"must lie within [0, {size})"
            raise IndexError(f"{axis} range {rule}, got [{lo}, {hi}) of {what}")
