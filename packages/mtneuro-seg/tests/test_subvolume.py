"""Subvolumes: where they start, and what they never cross."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mtneuro_seg import subvolumes
from mtneuro_seg.subvolume import subvolume_slices


def test_two_regions_are_cut_each_by_itself():
    groups = np.repeat([0, 1], [19, 9])
    cuts = subvolume_slices(28, depth=8, groups=groups)
    assert cuts[:, 0].tolist() == [0, 8, 19]
    overlapping = subvolume_slices(28, depth=8, overlap=0.5, groups=groups)
    assert overlapping[:, 0].tolist() == [0, 4, 8, 11, 19, 20]


@given(
    lengths=st.lists(st.integers(8, 40), min_size=1, max_size=4),
    overlap=st.sampled_from([0.0, 0.25, 0.5, 0.75]),
)
def test_no_subvolume_crosses_a_regions_end(lengths, overlap):
    groups = np.repeat(np.arange(len(lengths)) % 2, lengths)
    stack = np.repeat(np.arange(len(lengths)), lengths)[:, None, None]
    cut = subvolumes(stack, depth=8, overlap=overlap, groups=groups)
    assert cut.shape[1:] == (8, 1, 1)
    assert (cut == cut[:, :1]).all()
    if overlap:
        cuts = subvolume_slices(len(stack), depth=8, overlap=overlap, groups=groups)
        assert set(cuts.flatten().tolist()) == set(range(len(stack)))


def test_a_subvolume_lies_in_one_cube_of_consecutive_slices_by_the_ids():
    # One region, two cubes, and a gap: by position they would be one stack of 24.
    ids = [f"A-CTX/z{z}" for z in range(12)] + [f"D-CTX/z{z}" for z in (*range(300, 304), *range(310, 318))]
    assert subvolume_slices(24, depth=8, sample_id=ids)[:, 0].tolist() == [0, 16]
    stack = np.arange(24)[:, None, None]
    assert subvolumes(stack, depth=8, sample_id=ids)[:, 0, 0, 0].tolist() == [0, 16]
    cuts = subvolume_slices(24, depth=4, overlap=0.5, sample_id=ids)
    assert cuts[:, 0].tolist() == [0, 2, 4, 6, 8, 12, 16, 18, 20]
    assert (np.diff(cuts, axis=1) == 1).all()


def test_the_order_of_the_images_changes_no_subvolume():
    ids = np.array([f"{cube}/z{z}" for cube in "AB" for z in range(10)])
    order = np.random.default_rng(0).permutation(20)
    shuffled = subvolume_slices(20, depth=4, sample_id=ids[order])
    cut = {tuple(ids[order][rows]) for rows in shuffled}
    assert cut == {tuple(ids[rows]) for rows in subvolume_slices(20, depth=4, sample_id=ids)}
    assert all(one[0].split("/")[0] == one[3].split("/")[0] for one in cut)


def test_slices_that_are_no_neighbours_are_refused_with_the_reason():
    ten_apart = [f"A/z{z}" for z in range(0, 200, 10)]
    with pytest.raises(ValueError, match=r"got 1 at most: the slices of a cube are 10 apart; .*z_step = 1"):
        subvolume_slices(20, sample_id=ten_apart)
    with pytest.raises(ValueError, match="ids such as 'img_0' name no slice"):
        subvolume_slices(20, sample_id=[f"img_{n}" for n in range(20)])
    with pytest.raises(ValueError, match="name each slice once, got twice: A/z0"):
        subvolume_slices(2, depth=1, sample_id=["A/z0", "A/z0"])
    with pytest.raises(ValueError, match="either groups or sample_id"):
        subvolume_slices(2, depth=1, groups=np.zeros(2, int), sample_id=["A/z0", "A/z1"])
    with pytest.raises(ValueError, match="sample_id must name all 3 slices, got 2"):
        subvolume_slices(3, depth=1, sample_id=["A/z0", "A/z1"])


def test_what_cannot_be_cut_is_refused():
    with pytest.raises(ValueError, match="some region must hold a subvolume of 8 slices, got 7"):
        subvolume_slices(7)
    with pytest.raises(ValueError, match=r"overlap lie in \[0, 1\), got 8 and 1"):
        subvolume_slices(20, overlap=1.0)
    with pytest.raises(ValueError, match="groups must name all 20 slices, got 3"):
        subvolume_slices(20, groups=np.zeros(3, int))
