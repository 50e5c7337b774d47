"""The features that are known by name: unit, label, and how each is measured."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float64

from mtneuro_probe import axons, boundaries, cells, vessels
from mtneuro_probe.label_images import LabelImages


@dataclass(frozen=True, slots=True)
class Feature:
    """One number about an image: its unit, the label that it measures, and how."""

    unit: str
    label: str | None
    """Name of the label, ``None`` for all labels together."""

    measure: Callable[[LabelImages, str], Float64[np.ndarray, " images"]]


REGISTRY: Mapping[str, Feature] = MappingProxyType(
    {
        "vessel_density": Feature("fraction", "vessel", cells.density),
        "axon_density": Feature("fraction", "axon", cells.density),
        "cell_count": Feature("cells", "cell", cells.count),
        "cell_size": Feature("µm²", "cell", cells.mean_size),
        "nearest_neighbour_distance": Feature("µm", "cell", cells.mean_neighbour_distance),
        "cell_eccentricity": Feature("", "cell", cells.mean_eccentricity),
        "vessel_width": Feature("µm", "vessel", vessels.mean_width),
        "vessel_length_density": Feature("mm/mm²", "vessel", vessels.length_density),
        "axon_orientation": Feature("°", "axon", axons.orientation),
        "axon_coherence": Feature("", "axon", axons.coherence),
        "boundary_density": Feature("mm/mm²", None, boundaries.boundary_density),
    }
)

ALL_FEATURES = tuple(REGISTRY)
"""Every feature that can be asked for by name."""

FEATURES = ALL_FEATURES[:5]
"""The features of the paper, in the order of its Table 3."""

FEATURE_UNITS: Mapping[str, str] = MappingProxyType(
    {name: feature.unit for name, feature in REGISTRY.items()}
)
"""Unit of each feature, empty where it has none."""

LABEL_VALUES: Mapping[str, int] = MappingProxyType({"vessel": 1, "cell": 2, "axon": 3})
"""What the label values mean, as BossDB codes them; 0 is background."""


def checked_names(features: Sequence[str]) -> list[str]:
    """Return the names, or raise ``ValueError`` where one is unknown or there twice."""
    for name in features:
        if name not in REGISTRY:
            near = difflib.get_close_matches(name, REGISTRY, n=1)
            meant = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(REGISTRY)}"
            raise ValueError(f"features must be known by name, got {name!r}; {meant}")
    if not features or len(set(features)) < len(features):
        raise ValueError(f"features must name at least one feature, each once, got {list(features)}")
    return list(features)


def named_values(label_values: Mapping[str, int]) -> dict[str, int]:
    """Return the values, or raise ``ValueError`` unless they belong to the three labels."""
    for name in label_values:
        if name not in LABEL_VALUES:
            near = difflib.get_close_matches(name, LABEL_VALUES, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"label_values may name {', '.join(LABEL_VALUES)}, got {name!r}{meant} "
                "(label_features measures labels of any name)"
            )
    return distinct_values(label_values)


def distinct_values(label_values: Mapping[str, int]) -> dict[str, int]:
    """Return the values, or raise ``ValueError`` unless they differ and none is the background."""
    for name, value in label_values.items():
        if value == 0:
            raise ValueError(f"label value 0 is the background and cannot be {name!r}")
    if not label_values:
        raise ValueError("label_values must name at least one label, got none")
    if len(set(label_values.values())) < len(label_values):
        raise ValueError(f"label_values must differ, got {dict(label_values)}")
    return dict(label_values)
