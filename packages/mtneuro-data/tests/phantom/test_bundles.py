import numpy as np
from mtneuro_data.phantom.areas import NATIVE_SHAPE, Areas
from mtneuro_data.phantom.bundles import bundle_field

AREAS = Areas(NATIVE_SHAPE, seed=0)


def bundles(region):
    (y, x) = {"STR": (500, 3700), "VP": (850, 2551)}[region]
    y, x = np.arange(y, y + 256.0)[:, None], np.arange(x, x + 256.0)
    z = np.full((1, 1), 200.0)
    return bundle_field(0, AREAS.at(z, y, x), z, y, x) > 0


def test_bundles_lie_along_x_in_striatum():
    inside = bundles("STR")
    assert (inside[:, 16:] != inside[:, :-16]).mean() < 0.6 * (inside[16:] != inside[:-16]).mean()


def test_bundles_lie_diagonally_in_the_ventral_posterior_nucleus():
    inside = bundles("VP")
    rising = (inside[16:, :-16] != inside[:-16, 16:]).mean()
    falling = (inside[16:, 16:] != inside[:-16, :-16]).mean()
    assert rising < 0.6 * falling
