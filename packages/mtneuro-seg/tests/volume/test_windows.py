"""The grid of windows and their weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mtneuro_seg.volume.windows import gaussian_weights, window_starts, windows_over


@given(length=st.integers(1, 200), window=st.integers(1, 40), overlap=st.floats(0, 0.9))
def test_windows_cover_an_axis_without_a_gap(length, window, overlap):
    starts = window_starts(length, window, overlap=overlap)
    covered = {voxel for start in starts for voxel in range(start, start + window)}
    assert covered >= set(range(length))
    assert list(starts) == sorted(set(starts))
    assert starts[-1] + window <= max(length, window)


@settings(deadline=None)  # the first example loads MONAI
@given(length=st.integers(1, 60), window=st.integers(1, 16), overlap=st.sampled_from([0, 0.25, 0.5]))
def test_the_grid_is_that_of_monai(length, window, overlap):
    from monai.data.utils import dense_patch_slices

    if length < window:
        return
    step = max(int(window * (1 - overlap)), 1)
    theirs = [cut[0].start for cut in dense_patch_slices((length,), (window,), (step,))]
    assert list(window_starts(length, window, overlap=overlap)) == theirs


def test_the_windows_of_parts_are_those_of_the_whole():
    shape, window, overlap = (20, 9, 9), (8, 4, 4), (0.25, 0.5, 0.5)
    whole = list(windows_over(shape, window, overlap=overlap, rows=range(20)))
    parts = [
        list(windows_over(shape, window, overlap=overlap, rows=range(k, k + 5))) for k in range(0, 20, 5)
    ]
    assert sorted({corner for part in parts for corner in part}) == whole
    assert all(part == sorted(part) for part in parts)


def test_weights_are_those_of_monai():
    from monai.data.utils import compute_importance_map

    for window in ((16, 12), (8, 10, 12)):
        theirs = compute_importance_map(window, mode="gaussian", sigma_scale=0.125).numpy()
        np.testing.assert_allclose(gaussian_weights(window), theirs, rtol=1e-5)


@pytest.mark.parametrize("window", [(8, 6), (4, 8, 6)])
def test_weights_are_symmetric(window):
    weights = gaussian_weights(window)
    np.testing.assert_array_equal(weights, np.flip(weights))
    assert weights.min() >= 1e-3
