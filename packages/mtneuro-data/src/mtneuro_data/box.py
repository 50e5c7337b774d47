"""A half-open box of voxels: the one that volumes, tasks, caches and the server share."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Corner = tuple[int, int, int]
"""A voxel's position, or a size, on each axis ``(z, y, x)``."""


@dataclass(frozen=True, slots=True)
class Box:
    """A half-open box: ``lower`` is inside and ``upper`` is not.

    Boxes stacked end to end share a bound but never a voxel. A box unpacks into its two corners.

    Examples
    --------
    >>> box = Box((110, 900, 4600), (380, 1156, 4856))
    >>> box.shape
    (270, 256, 256)
    >>> box.intersection(Box((0, 0, 4800), (120, 1000, 5000)))
    Box(lower=(110, 900, 4800), upper=(120, 1000, 4856))
    """

    lower: Corner
    """First voxel on each axis, ``(z, y, x)``."""

    upper: Corner
    """One past the last voxel on each axis, ``(z, y, x)``."""

    def __post_init__(self) -> None:
        for axis, lo, hi in zip("zyx", self.lower, self.upper, strict=True):
            if not 0 <= lo < hi:
                raise ValueError(f"{axis} range must satisfy 0 <= lower < upper, got [{lo}, {hi})")

    @classmethod
    def inside(
        cls, lower: Sequence[int], upper: Sequence[int], shape: Sequence[int], /, *, what: str
    ) -> "Box":
        """Return the box of two corners, which must lie inside a volume.

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
            raise ValueError(f"a box needs three bounds (z, y, x) in each corner, got {lower} and {upper}")
        for axis, lo, hi, size in zip("zyx", lower, upper, shape, strict=True):
            if not 0 <= lo < hi <= size:
                empty = 0 <= hi <= lo <= size
                rule = "must not be empty" if empty else f"must lie within [0, {size})"
                raise IndexError(f"{axis} range {rule}, got [{lo}, {hi}) of {what}")
        return cls((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2]))

    def __iter__(self) -> Iterator[Corner]:
        """Unpack into the two corners."""
        yield self.lower
        yield self.upper

    @property
    def shape(self) -> Corner:
        """Voxels on each axis, ``(z, y, x)``."""
        (z0, y0, x0), (z1, y1, x1) = self.lower, self.upper
        return (z1 - z0, y1 - y0, x1 - x0)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as an index into an array ``(z, y, x)``."""
        (z0, y0, x0), (z1, y1, x1) = self.lower, self.upper
        return (slice(z0, z1), slice(y0, y1), slice(x0, x1))

    def slices_from(self, origin: Corner, /) -> tuple[slice, slice, slice]:
        """Return the box as an index into an array whose first voxel lies at ``origin``."""
        z, y, x = (slice(lo - o, hi - o) for lo, hi, o in zip(self.lower, self.upper, origin, strict=True))
        return (z, y, x)

    def intersection(self, other: "Box", /) -> "Box | None":
        """Return the intersection of two boxes, or ``None`` if it is empty."""
        z0, y0, x0 = map(max, self.lower, other.lower)
        z1, y1, x1 = map(min, self.upper, other.upper)
        return Box((z0, y0, x0), (z1, y1, x1)) if z0 < z1 and y0 < y1 and x0 < x1 else None

    def gaps(self, other: "Box", /) -> Corner:
        """Return the number of voxels between two boxes on each axis; negative if their ranges overlap."""
        z, y, x = (
            max(a, b) - min(c, d)
            for a, b, c, d in zip(self.lower, other.lower, self.upper, other.upper, strict=True)
        )
        return (z, y, x)
