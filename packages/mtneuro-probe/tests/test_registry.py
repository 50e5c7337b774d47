import numpy as np
import pytest
from mtneuro_probe import ALL_FEATURES, FEATURE_UNITS, FEATURES, LABEL_VALUES, feature_names, feature_unit
from mtneuro_probe.registry import (
    MEASURES,
    REGISTRY,
    checked_names,
    distinct_values,
    named_values,
    values_of,
)


def test_the_paper_s_features_come_first():
    assert FEATURES == (
        "vessel_density",
        "axon_density",
        "cell_count",
        "cell_size",
        "nearest_neighbour_distance",
    )
    assert ALL_FEATURES[:5] == FEATURES


def test_every_feature_has_a_unit_and_a_label_that_can_be_annotated():
    assert list(FEATURE_UNITS)[: len(REGISTRY)] == list(REGISTRY)
    assert {feature.label for feature in REGISTRY.values()} <= {*LABEL_VALUES, None}


@pytest.mark.parametrize("names", [["cell_counts"], ["cell_count", "cell_count"], []])
def test_a_feature_is_named_once_and_by_its_name(names):
    with pytest.raises(ValueError, match="feature"):
        checked_names(names)


def test_the_nearest_feature_is_named():
    with pytest.raises(ValueError, match="got 'cell_counts'; did you mean 'cell_count'"):
        checked_names(["cell_counts"])


def test_another_label_is_refused_with_the_way_to_measure_it():
    with pytest.raises(ValueError, match=r"vessel, cell, axon, got 'synapse' \(label_features measures"):
        named_values({"synapse": 2})


@pytest.mark.parametrize(
    ("values", "told"),
    [({"a": 0}, "0 is the background"), ({}, "at least one label"), ({"a": 1, "b": 1}, "must differ")],
)
def test_label_values_differ_from_each_other_and_the_background(values, told):
    with pytest.raises(ValueError, match=told):
        distinct_values(values)


def test_features_of_classes_are_the_papers_where_the_classes_are():
    assert feature_names(LABEL_VALUES) == FEATURES
    assert feature_names(["vessel"]) == ("vessel_density",)


def test_features_of_other_classes_are_four_each():
    kinds = ("density", "count", "size", "distance")
    expected = tuple(f"{name}_{kind}" for name in ("cell", "membrane") for kind in kinds)
    assert feature_names(["cell", "membrane"]) == expected


def test_features_that_are_asked_for_must_be_of_the_classes():
    asked = ["membrane_length_density", "mitochondrion_count", "boundary_density"]
    assert feature_names(["membrane", "mitochondrion"], asked) == tuple(asked)
    with pytest.raises(ValueError, match=r"a feature must be .*got 'vessel_density'"):
        feature_names(["membrane", "mitochondrion"], ["vessel_density"])
    with pytest.raises(ValueError, match="did you mean 'membrane_density'"):
        feature_names(["membrane"], ["membrane_densty"])
    with pytest.raises(ValueError, match="each once"):
        feature_names(["membrane"], ["membrane_density", "membrane_density"])


@pytest.mark.parametrize(
    ("feature", "unit"),
    [
        ("cell_count", "cells"),
        ("nearest_neighbour_distance", "µm"),
        ("membrane_density", "fraction"),
        ("membrane_length_density", "mm/mm²"),
        ("mitochondrion_distance", "µm"),
        ("fibre_orientation", "°"),
        ("anything", ""),
    ],
)
def test_a_features_unit_follows_from_its_name(feature, unit):
    assert feature_unit(feature) == unit


def test_what_is_named_and_what_is_measured_of_any_label_are_one_measure():
    for name, feature in REGISTRY.items():
        kind = name.removeprefix(f"{feature.label}_")
        if kind in MEASURES:
            measure = MEASURES[kind]
            assert (measure.measure, measure.of_components, measure.period) == (
                feature.measure,
                feature.of_components,
                feature.period,
            )


def test_values_come_from_the_names_of_classes():
    names = np.array(["background", "Cell bodies", "myelinated axons", "blood vessels"])
    assert values_of([str(name) for name in names]) == {"cell": 1, "axon": 2, "vessel": 3}


def test_a_name_within_a_word_is_no_label():
    assert values_of(["background", "extracellular space", "axonal bouton"]) == {}


def test_a_class_that_is_not_named_was_not_annotated():
    assert values_of(["background", "vessel"]) == {"vessel": 1}
