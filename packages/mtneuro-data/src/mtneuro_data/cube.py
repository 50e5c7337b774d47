"""A cube: a box of voxels in one channel at one level of resolution."""

from dataclasses import dataclass, field

from mtneuro_data.box import Box, Corner


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeSpec:
    """A half-open voxel box in one channel, at one resolution level.

    Corners are literal voxel indices at ``level``, ordered ``(z, y, x)`` to match the arrays that a
    volume returns. ``lower`` is inside the box and ``upper`` is not.

    Examples
    --------
    >>> cube = CubeSpec(channel="prasad/prasad2020/image", lower=(110, 900, 4600), upper=(380, 1156, 4856))
    >>> cube.shape
    (270, 256, 256)
    """

    channel: str
    """Where the voxels are: a database path ``collection/experiment/channel``, or any URI."""

    lower: Corner
    """First voxel on each axis, ``(z, y, x)``."""

    upper: Corner
    """One past the last voxel on each axis, ``(z, y, x)``."""

    level: int = 0
    """Resolution level; 0 is the finest."""

    box: Box = field(init=False, repr=False, compare=False)
    """The two corners as a box."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "box", Box(self.lower, self.upper))
        if self.level < 0:
            raise ValueError(f"level must be 0 or more, got {self.level}")

    @property
    def shape(self) -> Corner:
        """Voxels on each axis, ``(z, y, x)``."""
        return self.box.shape

    def shares_voxels(self, other: "CubeSpec") -> bool:
        """Return whether a voxel lies in both cubes.

        Cubes of different channels are compared too: the channels of one volume are aligned.

        Raises
        ------
        ValueError
            If the cubes lie at different levels, whose indices cannot be compared.

        Examples
        --------
        >>> a = CubeSpec(channel="c", lower=(0, 0, 0), upper=(4, 4, 4))
        >>> a.shares_voxels(CubeSpec(channel="c", lower=(3, 3, 3), upper=(5, 5, 5)))
        True
        """
        return all(gap < 0 for gap in self._gaps(other))

    def touches(self, other: "CubeSpec") -> bool:
        """Return whether the cubes share a face, or part of one, and no voxel.

        Raises
        ------
        ValueError
            If the cubes lie at different levels.

        Examples
        --------
        >>> a = CubeSpec(channel="c", lower=(0, 0, 0), upper=(4, 4, 4))
        >>> a.touches(CubeSpec(channel="c", lower=(0, 4, 2), upper=(4, 8, 6)))
        True
        """
        gaps = self._gaps(other)
        return sum(gap == 0 for gap in gaps) == 1 and sum(gap < 0 for gap in gaps) == 2

    def _gaps(self, other: "CubeSpec") -> Corner:
        if self.level != other.level:
            raise ValueError(
                f"boxes must lie at the same level to be compared, got levels {self.level} and {other.level}"
            )
        return self.box.gaps(other.box)
