import numpy as np
import pytest
from mtneuro_probe.figures.style import REGION_COLOURS, check_regions, readable, region_colour, shown_scale


def test_every_region_has_a_colour_however_many_there_are():
    assert [region_colour(value) for value in range(len(REGION_COLOURS))] == list(REGION_COLOURS)
    assert region_colour(len(REGION_COLOURS)) == REGION_COLOURS[0]


@pytest.mark.parametrize(("region", "names"), [([-1, 0], None), ([0, 2], ["CTX", "STR"])])
def test_a_region_without_a_number_or_a_name_is_refused(region, names):
    with pytest.raises(ValueError, match="counted from 0 and each have a name"):
        check_regions(np.array(region), names)


def test_a_name_is_read_as_words():
    assert readable("nearest_neighbour_distance") == "Nearest neighbour distance"
    assert readable("nearest_neighbour_distance_px") == "Nearest neighbour distance"


@pytest.mark.parametrize(
    ("feature", "scale"),
    [
        ("axon_density", (100, "% of pixels")),
        ("cell_size", (1, "µm²")),
        ("cell_size_px", (1, "px²")),
        ("synapse_count", (1, "")),
    ],
)
def test_fractions_are_shown_in_per_cent_and_all_else_as_it_is(feature, scale):
    assert shown_scale(feature) == scale
