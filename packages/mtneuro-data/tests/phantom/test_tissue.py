import numpy as np
import pytest
from mtneuro_data.phantom import Phantom
from mtneuro_data.phantom.areas import NATIVE_SHAPE, Areas
from mtneuro_data.phantom.cells import cells_near
from mtneuro_data.phantom.tissue import richness

AREAS = Areas(NATIVE_SHAPE, seed=0)


def test_cortex_has_no_axons():
    labels = Phantom("pixel_labels").read((300, 900, 4600), (304, 1156, 4856))
    assert set(np.unique(labels)) == {0, 1, 2}


def test_only_some_areas_have_bright_nucleoli():
    brightest = {
        region: cells_near(0, AREAS, (200, y, x), (232, y + 128, x + 128)).nucleolus.max()
        for region, (y, x) in {"CTX": (900, 4600), "ZI": (650, 1543)}.items()
    }
    assert brightest["ZI"] > 3 * brightest["CTX"]


@pytest.mark.parametrize("variety", [0.2, 0.6])
def test_richness_varies_about_1_as_much_as_it_is_told_to(variety):
    place = np.random.default_rng(0).uniform(0, 40_000, size=(3, 20_000))
    found = richness(0, 13, np.full(20_000, variety, dtype=np.float32), *place)
    assert abs(found.mean() - 1) < 0.03
    assert abs(np.log(found).std() / variety - 1) < 0.15
    assert found.min() > 0
    assert found.max() <= 3


def test_without_variety_all_places_are_alike():
    place = np.random.default_rng(0).uniform(0, 40_000, size=(3, 100))
    assert np.unique(richness(0, 13, np.zeros(100, dtype=np.float32), *place)).tolist() == [1]
