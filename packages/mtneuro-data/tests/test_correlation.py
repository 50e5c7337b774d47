import numpy as np
import pytest
from mtneuro_data import TaskSpec
from mtneuro_data.correlation import SliceCorrelation, correlation_plot, slice_correlation, task_correlations


def test_the_curve_agrees_with_all_pairs(rng: np.random.Generator) -> None:
    volume = rng.integers(0, 256, (7, 5, 6), dtype=np.uint8)
    table = np.array(np.corrcoef(volume.reshape(7, -1)))
    expected = [np.mean([table[z, z + d] for z in range(7 - d)]) for d in range(5)]
    np.testing.assert_allclose(slice_correlation(volume, furthest=4).correlation, expected, atol=1e-6)


def test_brightness_and_contrast_of_slices_do_not_matter(rng: np.random.Generator) -> None:
    volume = rng.integers(0, 100, (6, 8, 8), dtype=np.uint8)
    other = volume.copy()
    other[::2] = other[::2] * 2 + 30
    ours, theirs = slice_correlation(volume), slice_correlation(other)
    np.testing.assert_allclose(ours.correlation, theirs.correlation, atol=1e-6)


def test_slices_smoothed_over_five_call_for_a_gap_of_four(rng: np.random.Generator) -> None:
    noise = rng.normal(size=(84, 64, 64))
    smooth = np.sum([noise[k : k + 80] for k in range(5)], axis=0) * 20 + 128
    curve = slice_correlation(smooth.clip(0, 255).astype(np.uint8))
    np.testing.assert_allclose(curve.correlation[:5], [1, 0.8, 0.6, 0.4, 0.2], atol=0.05)
    assert curve.gap() == 4
    assert slice_correlation(smooth[:4].clip(0, 255).astype(np.uint8)).gap() is None


def test_one_slice_and_flat_slices_are_refused() -> None:
    with pytest.raises(ValueError, match="two slices or more"):
        slice_correlation(np.zeros((1, 4, 4), np.uint8))
    with pytest.raises(ValueError, match="slice 0 is all of one value"):
        slice_correlation(np.zeros((2, 4, 4), np.uint8))


def test_every_cube_of_a_task_has_its_curve_and_is_drawn(task: TaskSpec) -> None:
    curves = task_correlations(task, furthest=5)
    assert list(curves) == ["A-CTX", "A-STR"]
    assert all(curve.gap() == 0 for curve in curves.values())  # noise: neighbours are unlike already
    picture = correlation_plot(curves)
    assert picture.shape == (400, 640, 3)
    flat = correlation_plot({"a": SliceCorrelation(np.array([1.0, -0.5]))})
    assert (picture != flat).any()
