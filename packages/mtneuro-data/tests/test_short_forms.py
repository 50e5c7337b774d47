from typing import Any

import pytest
from mtneuro_data import Cube, SplitPart
from mtneuro_data.short_forms import in_full

FACE: dict[str, Any] = {"y": (0, 8), "x": (0, 8)}


def test_regions_are_those_that_the_cubes_name_in_order() -> None:
    cubes = {"A": {"region": "VP", **FACE}, "B": {"region": "CTX", **FACE}, "C": {"region": "VP", **FACE}}
    assert in_full({"cubes": cubes})["regions"] == ("VP", "CTX")
    assert in_full({"cubes": cubes, "regions": ("CTX", "VP")})["regions"] == ("CTX", "VP")


def test_cubes_need_not_name_the_only_region() -> None:
    full = in_full({"regions": ["CTX"], "cubes": {"A": FACE, "B": Cube(**FACE)}})
    assert full["cubes"] == {"A": {"region": "CTX", **FACE}, "B": Cube(region="CTX", **FACE)}
    assert in_full({"cubes": {"A": FACE}})["regions"] == ("volume",)


def test_a_part_without_cubes_takes_all_of_them() -> None:
    parts = [{"z": (0, 4)}, SplitPart(z=(4, 8)), SplitPart(cubes=("B",), z=(8, 9))]
    full = in_full({"cubes": {"A": FACE, "B": FACE}, "splits": {"all": parts}})
    assert full["splits"]["all"] == [
        {"cubes": ("A", "B"), "z": (0, 4)},
        SplitPart(cubes=("A", "B"), z=(4, 8)),
        SplitPart(cubes=("B",), z=(8, 9)),
    ]


def test_classes_are_named_in_the_label_map() -> None:
    full = in_full({"label_map": {"5": "axon", "9": "background", "*": "axon", "boundary": "edge"}})
    assert full["class_names"] == ("background", "axon", "edge")
    assert full["label_map"] == {"5": 1, "9": 0, "*": 1, "boundary": 2}
    assert in_full({"roi_map": {1: "B"}, "regions": ("A", "B")})["roi_map"] == {1: 1}


def test_numbers_stay_numbers_and_names_are_known() -> None:
    assert in_full({"label_map": {1: "2", 2: 1}, "class_names": ("a", "b", "c")})["label_map"] == {
        1: "2",
        2: 1,
    }
    with pytest.raises(ValueError, match="gives to 4 must be one of a, axon, got 'axn'; did you mean 'axon'"):
        in_full({"label_map": {4: "axn"}, "class_names": ("a", "axon")})
    with pytest.raises(ValueError, match='label_map gives the name "axon", so class_names must name it'):
        in_full({"label_map": {4: "axon", 5: "1"}})


@pytest.mark.parametrize(
    "values", [{}, {"cubes": 3, "splits": 4, "label_map": 5}, {"cubes": {"A": 1}, "splits": {"a": 1}}]
)
def test_what_has_another_form_is_left_to_the_tasks_own_checks(values: dict[str, Any]) -> None:
    full = in_full(values)
    assert {key: full[key] for key in values if key != "cubes"} == {
        key: value for key, value in values.items() if key != "cubes"
    }
