import numpy as np
import pytest
from mtneuro_data.phantom.spline import SplineGrid, noise, point_noise, white_noise


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


def test_white_noise_is_independent_and_the_same_in_every_box():
    field = white_noise(0, 1, (-2, 0, 5), (14, 64, 69))
    assert abs(field.mean()) < 0.02
    assert abs(field.std() - 1) < 0.02
    for axis in range(3):
        first, second = (
            np.take(field, range(start, field.shape[axis] - 1 + start), axis).ravel() for start in (0, 1)
        )
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.02
    np.testing.assert_array_equal(white_noise(0, 1, (3, 10, 8), (5, 20, 9)), field[5:7, 10:20, 3:4])


def test_linear_interpolation_goes_through_its_values_and_is_the_same_in_every_box():
    def between(lower, upper):
        grid = SplineGrid(lower, upper, spacing=(4, 4, 4))
        z, y, x = grid.coordinates
        return grid.between((np.sin(z / 3) + np.cos(y / 5) * x).astype(np.float32))

    whole = between((-4, 0, 3), (9, 20, 30))
    assert whole[4, 8, 5] == pytest.approx(np.cos(8 / 5) * 8, rel=1e-5)
    assert whole[4, 8, 7] == pytest.approx(np.cos(8 / 5) * 10, rel=1e-5)
    assert whole[6, 8, 5] == pytest.approx(np.sin(4 / 3) / 2 + np.cos(8 / 5) * 8, rel=1e-5)
    np.testing.assert_array_equal(between((1, 6, 10), (3, 11, 30)), whole[5:7, 6:11, 7:])
