"""Colours, panels and wording that the figures share."""

from collections.abc import Sequence
from typing import SupportsInt

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtneuro_probe.registry import feature_unit

# Told apart by people with any colour vision (Okabe and Ito), in an order that starts far apart.
REGION_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#F0E442")
_PANEL_INCHES = 3.4


def panels(count: int) -> tuple[Figure, list[Axes]]:
    """Return a figure of so many square panels, three in a row at most, and the panels."""
    across = min(count, 3)
    down = -(-count // across)
    figure = Figure(figsize=(_PANEL_INCHES * across, _PANEL_INCHES * down), layout="constrained")
    grid = list(figure.subplots(down, across, squeeze=False).flat)
    for axes in grid[count:]:
        axes.set_axis_off()
    return figure, grid[:count]


def region_colour(region: SupportsInt) -> str:
    """Return the colour that stands for a region."""
    return REGION_COLOURS[int(region) % len(REGION_COLOURS)]


def check_regions(region: np.ndarray, names: Sequence[str] | None) -> None:
    """Raise ``ValueError`` unless regions are counted from 0 and each has a name."""
    present = np.unique(region)
    if present[0] < 0 or (names is not None and present[-1] >= len(names)):
        raise ValueError(
            f"region must be counted from 0 and each have a name, got {present.tolist()} for {names}"
        )


def readable(feature: str) -> str:
    """Return a column's name as words.

    Examples
    --------
    >>> readable("vessel_density")
    'Vessel density'

    A length in pixels says so by its unit:

    >>> readable("cell_size_px"), shown_scale("cell_size_px")
    ('Cell size', (1, 'px²'))
    """
    return feature.removesuffix("_px").replace("_", " ").capitalize()


def shown_scale(feature: str) -> tuple[int, str]:
    """Return the factor by which a feature is drawn and the unit that it then has; fractions are per cent.

    Examples
    --------
    >>> shown_scale("vessel_density"), shown_scale("cell_size"), shown_scale("synapse_count")
    ((100, '% of pixels'), (1, 'µm²'), (1, ''))
    """
    unit = feature_unit(feature)
    return (100, "% of pixels") if unit == "fraction" else (1, unit)
