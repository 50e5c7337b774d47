import numpy as np
import pytest
from mtneuro_data.phantom.spline import SplineGrid, noise, point_noise


def test_noise_has_mean_zero_and_unit_spread():
    field = noise(0, 1, (0, 0, 0), (64, 96, 96), spacing=(2.0, 2.1, 1.6))
    assert abs(field.mean()) < 0.03
    assert abs(field.std() - 1) < 0.05


def test_point_noise_has_mean_zero_and_unit_spread():
    place = np.random.default_rng(0).uniform(0, 60, size=(3, 200_000))
    for field in point_noise(0, 1, *place, fields=2):
        assert abs(field.mean()) < 0.01
        assert abs(field.std() - 1) < 0.01


def test_the_two_fields_of_point_noise_are_independent():
    place = np.random.default_rng(0).uniform(0, 60, size=(3, 100_000))
    first, second = point_noise(0, 1, *place, fields=2)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02


def test_a_spline_keeps_a_straight_line():
    grid = SplineGrid((3, 0, 0), (9, 4, 4), spacing=(2.5, 4, 4))
    ramp = np.broadcast_to(grid.coordinates[0], grid.shape).astype(np.float32)
    np.testing.assert_allclose(grid.field(ramp)[:, 0, 0], np.arange(3, 9), rtol=1e-5)


@pytest.mark.parametrize("origin", [0, 10**12])
def test_coordinates_may_be_very_large(origin):
    field = noise(0, 1, (origin, 0, 0), (origin + 16, 32, 32), spacing=(2.0, 2.1, 1.6))
    assert abs(field.std() - 1) < 0.2


def test_point_noise_is_the_same_at_a_place_whether_the_others_are_near_or_far():
    rng = np.random.default_rng(0)
    near = [rng.uniform(0, 6, 400) for _ in range(3)]
    together = point_noise(5, 2, *near, fields=2)
    spread = [np.append(axis[:3], far) for axis, far in zip(near, (-900.0, 800.0, 2000.0), strict=True)]
    apart = point_noise(5, 2, *spread, fields=2)
    for dense, sparse in zip(together, apart, strict=True):
        np.testing.assert_array_equal(sparse[:3], dense[:3])
