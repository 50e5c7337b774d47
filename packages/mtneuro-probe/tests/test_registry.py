import numpy as np
import pytest
from mtneuro_probe import ALL_FEATURES, FEATURE_UNITS, FEATURES, LABEL_VALUES
from mtneuro_probe.registry import REGISTRY, checked_names, distinct_values, named_values, values_of


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
    assert list(FEATURE_UNITS) == list(REGISTRY)
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


def test_values_come_from_the_names_of_classes():
    names = np.array(["background", "Cell bodies", "myelinated axons", "blood vessels"])
    assert values_of([str(name) for name in names]) == {"cell": 1, "axon": 2, "vessel": 3}


def test_a_class_that_is_not_named_was_not_annotated():
    assert values_of(["background", "vessel"]) == {"vessel": 1}
