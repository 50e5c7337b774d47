"""A feature: one number about each label image."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64

from mtneuro_probe.measures.label_images import LabelImages

_IN_PIXELS = {"µm": ("px", 1.0), "µm²": ("px²", 1.0), "mm/mm²": ("px/px²", 1e-3)}
"""Unit in place of each unit of length where pixels have no known size, and the factor between the numbers of
the two where a pixel is 1 µm long."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One number about an image: its unit, the label that it measures, and how."""

    unit: str
    """Unit, empty where it has none."""

    label: str | None
    """Name of the label, ``None`` for all labels together."""

    measure: Callable[[LabelImages, Any], Float64[np.ndarray, " images"]]
    """Called with the images and ``label``."""

    of_components: bool = False
    """Whether it measures the label's connected components, which may reach across images."""

    period: float | None = None
    """For an angle, the number of degrees after which it repeats."""

    factor: float = 1.0
    """What the measure is multiplied by."""


def unit_in_pixels(unit: str) -> str:
    """Return the unit that stands in place of one of length where pixels have no known size; others stay.

    Examples
    --------
    >>> unit_in_pixels("µm²"), unit_in_pixels("°")
    ('px²', '°')
    """
    return _IN_PIXELS.get(unit, (unit, 1.0))[0]


def in_pixels(features: Mapping[str, Feature]) -> dict[str, Feature]:
    """Return features as they are measured where the size of a pixel is not known.

    Lengths and areas count pixels, and say so in their names, which end in ``_px``; the others stay.

    Examples
    --------
    >>> from mtneuro_probe.registry import REGISTRY
    >>> found = in_pixels(REGISTRY)
    >>> found["cell_size_px"].unit, "cell_count" in found, "cell_size" in found
    ('px²', True, False)
    """
    table: dict[str, Feature] = {}
    for name, feature in features.items():
        if feature.unit in _IN_PIXELS:
            unit, factor = _IN_PIXELS[feature.unit]
            table[f"{name}_px"] = replace(feature, unit=unit, factor=factor)
        else:
            table[name] = feature
    return table
