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


def test_what_cannot_be_cut_is_refused():
    with pytest.raises(ValueError, match="some region must hold a subvolume of 8 slices, got 7"):
        subvolume_slices(7)
    with pytest.raises(ValueError, match=r"overlap lie in \[0, 1\), got 8 and 1"):
        subvolume_slices(20, overlap=1.0)
    with pytest.raises(ValueError, match="groups must name all 20 slices, got 3"):
        subvolume_slices(20, groups=np.zeros(3, int))
