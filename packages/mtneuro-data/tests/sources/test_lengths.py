import math

import pytest
from mtneuro_data.sources.lengths import micrometres, stated_size


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("nm", 1e-3),
        (b"mm", 1e3),
        ("\\u00B5m", 1.0),
        ("μm", 1.0),
        ("Å", 1e-4),
        ('"microns"', 1.0),
        (" NM ", 1e-3),
    ],
)
def test_a_unit_is_known_by_any_of_its_names(unit, expected) -> None:
    assert micrometres(unit) == expected


@pytest.mark.parametrize("unit", ["", "pixel", "px", "reference frame", "none", None, "second"])
def test_what_is_no_length_is_unknown(unit) -> None:
    assert math.isnan(micrometres(unit))


def test_digits_beyond_32_bits_are_left_out() -> None:
    assert stated_size([0.0011699999449774623] * 3, "mm") == (1.17, 1.17, 1.17)


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, -1, 1), (1, 1, math.inf), (1, 1, math.nan), (1, 1)])
def test_one_unknown_edge_makes_the_size_unknown(sizes) -> None:
    assert stated_size(sizes, "um") is None


def test_each_edge_may_have_its_unit() -> None:
    assert stated_size((1, 2, 3), ["um", "nm", "mm"]) == (1.0, 0.002, 3000.0)
