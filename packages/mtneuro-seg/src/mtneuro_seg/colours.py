"""The colour of each class, in figures and in OME-Zarr labels."""

from collections.abc import Sequence

_NAMED = {"vessel": "#e6352b", "cell": "#f7e225", "axon": "#35d0e0"}
"""Red, yellow and cyan as in the paper's Figure 3; their lightness differs, so they part without hue too."""

_OTHERS = ("#0072b2", "#e69f00", "#cc79a7", "#009e73", "#d55e00", "#56b4e9")


def class_colours(class_names: Sequence[str]) -> tuple[str, ...]:
    """Return a colour for every class but the background (the first).

    Examples
    --------
    >>> class_colours(["background", "vessels", "cells"])
    ('#e6352b', '#f7e225')
    """
    spare = iter(_OTHERS * (1 + len(class_names) // len(_OTHERS)))
    colours: list[str] = []
    for name in class_names[1:]:
        named = next((colour for key, colour in _NAMED.items() if key in name.lower()), None)
        # Two classes may be of cells: each has a colour of its own.
        colours.append(next(spare) if named is None or named in colours else named)
    return tuple(colours)


def class_rgb(class_names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return the colours of `class_colours` as red, green and blue from 0 to 255.

    Examples
    --------
    >>> class_rgb(["background", "vessels"])
    ((230, 53, 43),)
    """
    return tuple(tuple(bytes.fromhex(colour[1:])) for colour in class_colours(class_names))
