import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mtneuro_probe import block_splits


@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 60)), min_size=30, max_size=200),
    st.integers(2, 6),
    st.integers(0, 12),
)
def test_no_training_slice_is_nearer_than_the_gap_to_a_tested_one(samples, n_splits, gap):
    cube = np.array([name for name, _ in samples])
    z = np.array([z for _, z in samples])
    try:
        splits = block_splits(cube, z, n_splits=n_splits, gap=gap)
    except ValueError:
        return
    for train, test in splits:
        assert not set(train) & set(test)
        for name in "ABC":
            kept, held = z[train][cube[train] == name], z[test][cube[test] == name]
            if len(kept) and len(held):
                assert np.abs(kept[:, None] - held[None]).min() >= max(gap, 1)


def test_each_sample_is_tested_once_and_corners_stay_together():
    z = np.repeat(np.arange(100), 4)
    splits = block_splits(np.full(400, "A"), z, n_splits=5, gap=3)
    assert len(splits) == 5
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in splits])), np.arange(400))
    assert [len(test) for _, test in splits] == [80] * 5


def test_blocks_are_runs_of_neighbours_whatever_the_order_of_rows():
    z = np.random.default_rng(0).permutation(50)
    for _, test in block_splits(np.full(50, "A"), z, n_splits=5, gap=0):
        assert np.ptp(z[test]) == 9


def test_the_gap_is_kept_inside_each_cube_only():
    cube, z = np.repeat(["A", "B"], 20), np.tile(np.arange(20), 2)
    train, test = block_splits(cube, z + 100 * (cube == "B"), n_splits=2, gap=5)[0]
    assert sorted(set(z[test])) == list(range(10))
    assert len(train) == 2 * 6


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"n_splits": 1}, "n_splits must be at least 2, got 1"),
        ({"gap": -1}, "at least 0 slices, got -1"),
        ({"gap": 40}, "at least 2 splits with training samples, got 0 from 40 different slices"),
    ],
)
def test_impossible_splits_are_refused(settings, told):
    with pytest.raises(ValueError, match=told):
        block_splits(np.full(40, "A"), np.arange(40), **settings)
