"""A feature: one number about each label image."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from mtneuro_probe.measures.label_images import LabelImages


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
