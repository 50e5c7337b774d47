"""The features that are known by name: a line each, with unit, label and measure."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from mtneuro_probe._shared.words import unknown_name
from mtneuro_probe.measures import axons, boundaries, cells, vessels
from mtneuro_probe.measures.density import density
from mtneuro_probe.measures.feature import Feature

REGISTRY: Mapping[str, Feature] = MappingProxyType(
    {
        "vessel_density": Feature("fraction", "vessel", density),
        "axon_density": Feature("fraction", "axon", density),
        "cell_count": Feature("cells", "cell", cells.count, of_components=True),
        "cell_size": Feature("µm²", "cell", cells.mean_size, of_components=True),
        "nearest_neighbour_distance": Feature(
            "µm", "cell", cells.mean_neighbour_distance, of_components=True
        ),
        "cell_eccentricity": Feature("", "cell", cells.mean_eccentricity, of_components=True),
        "vessel_width": Feature("µm", "vessel", vessels.mean_width),
        "vessel_length_density": Feature("mm/mm²", "vessel", vessels.length_density),
        "axon_orientation": Feature("°", "axon", axons.orientation, period=180.0),
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


def values_of(class_names: Sequence[str]) -> dict[str, int]:
    """Return the value of each of the three labels whose name appears in a class's name.

    Examples
    --------
    >>> values_of(["background", "Cell body", "blood vessels"])
    {'vessel': 2, 'cell': 1}
    """
    return {
        label: value
        for label in LABEL_VALUES
        for value, name in enumerate(class_names)
        if value and label in name.lower()
    }


def checked_names(features: Sequence[str]) -> list[str]:
    """Return the names, or raise ``ValueError`` where one is unknown or there twice."""
    for name in features:
        if name not in REGISTRY:
            raise ValueError(unknown_name("a feature", name, REGISTRY))
    if not features or len(set(features)) < len(features):
        raise ValueError(f"features must name at least one feature, each once, got {list(features)}")
    return list(features)


def named_values(label_values: Mapping[str, int]) -> dict[str, int]:
    """Return the values, or raise ``ValueError`` unless they belong to the three labels."""
    for name in label_values:
        if name not in LABEL_VALUES:
            raise ValueError(
                f"{unknown_name('a label', name, LABEL_VALUES)} (label_features measures labels of any name)"
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
