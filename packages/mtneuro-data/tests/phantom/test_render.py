import numpy as np
import pytest
from mtneuro_data.phantom import CHANNELS, Appearance, Phantom
from mtneuro_data.phantom.areas import NATIVE_SHAPE, Areas
from mtneuro_data.phantom.cells import cells_near, draw_cells
from mtneuro_data.phantom.render import World, rendered
from mtneuro_data.phantom.tubes import drawn_tubes
from mtneuro_data.phantom.vessels import segments_near

# A box within the ventral posterior nucleus.
VP = ((200, 850, 2551), (212, 946, 2647))

# A box over striatum, internal capsule, reticular and ventral posterior nucleus.
MIXED = ((200, 980, 3300), (212, 1020, 3720))


@pytest.fixture(scope="module")
def mixed():
    return {channel: Phantom(channel).read(*MIXED) for channel in CHANNELS}


def test_the_channels_are_aligned(mixed):
    image, labels = mixed["image"].astype(float), mixed["pixel_labels"]
    background, vessel, cell, axon = (image[labels == k].mean() for k in range(4))
    assert vessel < 0.75 * background
    assert cell < 0.75 * background
    assert axon > 1.1 * background


def test_outside_the_tissue_is_exactly_zero():
    box = Phantom("image").read_all((159, 40, 3000), (160, 420, 3100))
    outside = box["roi_labels"] == 0
    assert 0.5 < outside.mean() < 1
    assert not box["image"][outside].any()
    assert not box["pixel_labels"][outside].any()
    assert box["image"][~outside].mean() > 80


@pytest.fixture(scope="module")
def drawn():
    areas = Areas(NATIVE_SHAPE, seed=0)
    world = World(seed=0, shape=NATIVE_SHAPE, areas=areas, appearance=Appearance())
    channels = rendered(world, *VP, ("roi_labels", "pixel_labels"))
    somata = draw_cells(cells_near(0, areas, *VP), VP[0], channels["roi_labels"].shape)[1]
    walls = [drawn_tubes(segments, *VP)[0] for segments in segments_near(0, areas, *VP).values()]
    return areas, channels, somata, np.min(walls, axis=0) < 0


def test_the_areas_labels_are_those_of_the_outlines(drawn):
    areas, channels, _, _ = drawn
    np.testing.assert_array_equal(channels["roi_labels"], areas.labels(*VP))


def test_a_vessel_hides_a_cell_and_a_cell_an_axon(drawn):
    _, channels, somata, vessels = drawn
    labels = channels["pixel_labels"]
    assert (somata & vessels).any()
    np.testing.assert_array_equal(labels == 1, vessels)
    np.testing.assert_array_equal(labels == 2, somata & ~vessels)
    assert (labels == 3).any()
