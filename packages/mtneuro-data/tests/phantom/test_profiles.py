import numpy as np
from mtneuro_data.phantom.profiles import brightness_at, profile

KNOTS = np.array([-8.0, -1.0, 0.0, 2.0])
RATIOS = np.array([0.1, 0.3, 0.7, 1.0])


def test_brightness_between_knots_lies_on_a_straight_line():
    distance = np.linspace(-8, 2, 777).astype(np.float32)
    found = brightness_at(profile(KNOTS, RATIOS), distance)
    # Looked up in steps of 1/32 voxel, where the steepest piece rises by 0.4 a voxel.
    np.testing.assert_allclose(found, np.interp(distance, KNOTS, RATIOS), atol=0.4 / 32 + 1e-6)


def test_beyond_the_outermost_knots_brightness_stays_as_there():
    found = brightness_at(profile(KNOTS, RATIOS), np.array([-50, 50], np.float32))
    np.testing.assert_allclose(found, [0.1, 1.0], rtol=1e-6)
