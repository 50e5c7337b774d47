"""The features that are known by name: a line each, with unit, label and measure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from mtneuro_probe._shared.words import unknown_name
from mtneuro_probe.measures import axons, boundaries, cells, vessels
from mtneuro_probe.measures.density import density
from mtneuro_probe.measures.feature import Feature, in_pixels, unit_in_pixels

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

MEASURES: Mapping[str, Feature] = MappingProxyType(
    {
        "density": Feature("fraction", None, density),
        "count": Feature("", None, cells.count, of_components=True),
        "size": Feature("µm²", None, cells.mean_size, of_components=True),
        "distance": Feature("µm", None, cells.mean_neighbour_distance, of_components=True),
        "eccentricity": Feature("", None, cells.mean_eccentricity, of_components=True),
        "width": Feature("µm", None, vessels.mean_width),
        "length_density": Feature("mm/mm²", None, vessels.length_density),
        "orientation": Feature("°", None, axons.orientation, period=180.0),
        "coherence": Feature("", None, axons.coherence),
    }
)
"""What can be measured of any label; the feature's name is the label's, an underscore, and this."""

ALL_FEATURES = tuple(REGISTRY)
"""Every feature that can be asked for by name."""

FEATURES = ALL_FEATURES[:5]
"""The features of the paper, in the order of its Table 3."""

FEATURE_UNITS: Mapping[str, str] = MappingProxyType(
    {name: feature.unit for name, feature in {**REGISTRY, **in_pixels(REGISTRY)}.items()}
)
"""Unit of each feature, empty where it has none; also of those in pixels, whose names end in ``_px``."""

LABEL_VALUES: Mapping[str, int] = MappingProxyType({"vessel": 1, "cell": 2, "axon": 3})
"""What the label values mean, as BossDB codes them; 0 is background."""


def feature_unit(feature: str) -> str:
    """Return the unit of a feature, of any label, by its name; empty where it has none.

    Examples
    --------
    >>> feature_unit("cell_size"), feature_unit("mitochondrion_size"), feature_unit("mitochondrion_count")
    ('µm²', 'µm²', '')
    >>> feature_unit("mitochondrion_size_px")
    'px²'
    """
    bare = feature.removesuffix("_px")
    measure = _measure_in(bare)
    unit = FEATURE_UNITS.get(bare) or ("" if measure is None else measure.unit)
    return unit if bare == feature else unit_in_pixels(unit)


def feature_period(feature: str) -> float | None:
    """Return after how many degrees a feature repeats, by its name; None where it is no angle.

    Examples
    --------
    >>> feature_period("axon_orientation"), feature_period("fibre_orientation"), feature_period("cell_size")
    (180.0, 180.0, None)
    """
    measure = _measure_in(feature)
    return None if measure is None else measure.period


def _measure_in(feature: str) -> Feature | None:
    """Return the measure that ends a feature's name: of several the longest."""
    found = [kind for kind in MEASURES if feature.endswith(f"_{kind}")]
    return MEASURES[max(found, key=len)] if found else None


def feature_names(labels: Iterable[str], features: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of the features that are measured of labels: those that are asked for, or a choice.

    The choice is the paper's where the labels are among its own (``vessel``, ``cell``, ``axon``); otherwise
    density, count, size and distance of each label.

    Parameters
    ----------
    labels
        Names of the labels.
    features
        ``<label>_<measure>`` each (``membrane_length_density``), or a name of the package's own whose label
        is among the labels.

    Raises
    ------
    ValueError
        If a feature is of none of the labels, or named twice.

    Examples
    --------
    >>> feature_names(["vessel", "cell"])
    ('vessel_density', 'cell_count', 'cell_size', 'nearest_neighbour_distance')
    >>> feature_names(["mitochondrion"])
    ('mitochondrion_density', 'mitochondrion_count', 'mitochondrion_size', 'mitochondrion_distance')
    """
    labels = tuple(labels)
    if features:
        return tuple(label_measures(labels, features))
    if set(labels) <= set(LABEL_VALUES):
        return tuple(name for name in FEATURES if REGISTRY[name].label in labels)
    return tuple(label_measures(labels))


def label_measures(labels: Sequence[str], features: Sequence[str] = ()) -> dict[str, Feature]:
    """Return the features asked for by name, or density, count, size and distance of each label.

    Raises
    ------
    ValueError
        If a feature is of none of the labels, or named twice.
    """
    known = {name: feature for name, feature in REGISTRY.items() if feature.label in (None, *labels)}
    known |= every_measure(labels)
    wanted = features or [f"{label}_{kind}" for label in labels for kind in tuple(MEASURES)[:4]]
    return {name: known[name] for name in checked_names(wanted, known)}


def every_measure(labels: Iterable[str]) -> dict[str, Feature]:
    """Return all that can be measured of labels, by the features' names."""
    return {
        f"{label}_{kind}": replace(measure, label=label)
        for label in labels
        for kind, measure in MEASURES.items()
    }


def values_of(class_names: Sequence[str]) -> dict[str, int]:
    """Return the value of each of the three labels that is a word of a class's name.

    Examples
    --------
    >>> values_of(["background", "Cell body", "blood vessels"])
    {'vessel': 2, 'cell': 1}
    """
    return {
        label: value
        for label in LABEL_VALUES
        for value, name in enumerate(class_names)
        if value and re.search(rf"\b{label}s?\b", name.lower())
    }


def checked_names(features: Sequence[str], known: Mapping[str, Feature] = REGISTRY) -> list[str]:
    """Return the names, or raise ``ValueError`` where one is unknown or there twice."""
    for name in features:
        if name not in known:
            raise ValueError(unknown_name("a feature", name, known))
    if not features or len(set(features)) < len(features):
        raise ValueError(f"features must name at least one feature, each once, got {list(features)}")
    return list(features)


def named_values(label_values: Mapping[str, int], *, instances: str | None = None) -> dict[str, int]:
    """Return the values, or raise ``ValueError`` unless they belong to the three labels."""
    for name in (*label_values, *([] if instances is None else [instances])):
        if name not in LABEL_VALUES:
            raise ValueError(
                f"{unknown_name('a label', name, LABEL_VALUES)} (label_features measures labels of any name)"
            )
    return distinct_values(label_values, instances=instances)


def distinct_values(label_values: Mapping[str, int], *, instances: str | None = None) -> dict[str, int]:
    """Return the values, or raise ``ValueError`` unless they differ and none is the background."""
    for name, value in label_values.items():
        if value == 0:
            raise ValueError(f"label value 0 is the background and cannot be {name!r}")
    if instances in label_values:
        raise ValueError(f"{instances!r} must name instances or a label value, got both")
    if not label_values and instances is None:
        raise ValueError("label_values must name at least one label, got none")
    if len(set(label_values.values())) < len(label_values):
        raise ValueError(f"label_values must differ, got {dict(label_values)}")
    return dict(label_values)
