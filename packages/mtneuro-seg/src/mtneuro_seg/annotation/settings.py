"""Which boxes to suggest for annotation, checked when they are made."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from mtneuro_seg._shared.settings import Settings
from mtneuro_seg.settings import UncertaintyName

Strategy = Literal["uncertainty", "diversity", "uncertainty+diversity", "random"]


class SuggestSettings(Settings):
    """How many boxes to suggest, how large, and by what.

    Examples
    --------
    >>> SuggestSettings(strategy="random", boxes=4).seed
    0
    """

    boxes: PositiveInt = 8
    """Number of boxes to suggest."""

    size: Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=3)] | None = None
    """Size of a box, ``z y x``, or ``y x`` for one slice; by default that of the images that the model was
    trained on."""

    strategy: Strategy = "uncertainty"
    """``uncertainty``: where the model is least sure of its classes; ``diversity``: boxes that differ most
    from those that are annotated, and from one another; ``uncertainty+diversity``: the most different of the
    least sure; ``random``: any, the floor that the others must beat."""

    uncertainty: UncertaintyName = "entropy"
    """How unsure the model is of a pixel, averaged over a box: the ``entropy`` of its classes, or the
    ``margin`` by which the first class is ahead of the second."""

    shortlist: Annotated[PositiveInt, Field(ge=2)] = 4
    """For ``uncertainty+diversity``: so many times BOXES are the least sure among which the most different
    are taken."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of ``random``; the other strategies draw nothing."""
