import numpy as np
import pytest
from scipy.stats import t

from mtneuro_suite.steps.over_cubes import CubeCounts, ratio_interval


def test_of_cubes_that_weigh_alike_it_is_students_interval_of_a_mean():
    shares = np.array([0.5, 0.6, 0.9, 0.7])
    low, high = ratio_interval(40 * shares[:, None], np.full((4, 1), 40.0)) or (0, 0)
    half = t.ppf(0.975, 3) * shares.std(ddof=1) / 2
    assert (low, high) == pytest.approx((shares.mean() - half, min(1, shares.mean() + half)))


def test_an_interval_holds_the_true_ratio_of_cubes_of_unlike_size_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        sizes = rng.integers(20, 60, 12)
        truth = rng.beta(6, 4, 12)
        low, high = ratio_interval((truth * sizes)[:, None], sizes[:, None].astype(float)) or (0, 0)
        held += low <= 0.6 <= high
    assert 0.9 < held / 400 < 0.99


def test_of_several_ratios_it_is_that_of_their_mean_and_an_absent_class_is_left_out():
    parts, wholes = np.array([[3.0, 9, 0], [5, 8, 0], [4, 6, 0]]), np.array([[10.0, 10, 0]] * 3)
    means = (parts[:, :2] / 10).mean(axis=1)
    half = t.ppf(0.975, 2) * means.std(ddof=1) / np.sqrt(3)
    assert ratio_interval(parts, wholes) == pytest.approx((means.mean() - half, means.mean() + half))


@pytest.mark.parametrize("right", [[5, 5, 5, 5], [10, 10, 10, 10], [1, 9]])
def test_what_says_nothing_of_how_cubes_vary_gives_no_interval(right):
    counts = np.array(right, float)[:, None]
    assert ratio_interval(counts, np.full(counts.shape, 10.0)) is None


def test_tiles_about_one_cube_count_as_it():
    counts = CubeCounts.of(
        np.array([True, False, True]), ["B-VP@0,64/z0", "B-CTX@1,1/z0", "B-VP@64,64/z0/tl"]
    )
    assert (counts.cubes, counts.right.tolist(), counts.samples.tolist()) == (
        ("B-CTX", "B-VP"),
        [0, 2],
        [1, 2],
    )
