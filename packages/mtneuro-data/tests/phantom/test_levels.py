import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mtneuro_data.phantom import CHANNELS, Phantom
from mtneuro_data.phantom.levels import block_majorities, block_means

# A box over striatum, internal capsule and reticular nucleus, at level 2: 4 x 8 x 40 voxels.
COARSE = ((50, 248, 840), (54, 256, 880))


def naive_blocks(voxels, factor, reduced):
    steps = [range(0, size, factor) for size in voxels.shape]
    return np.array(
        [
            [
                [reduced(voxels[z : z + factor, y : y + factor, x : x + factor]) for x in steps[2]]
                for y in steps[1]
            ]
            for z in steps[0]
        ],
        dtype=np.uint8,
    )


def most_frequent(block):
    return np.bincount(block.ravel()).argmax()


def half_to_even(block):
    return np.rint(block.astype(np.float64).mean())


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_level_is_the_mean_or_majority_of_the_finest(channel):
    phantom = Phantom(channel)
    fine = phantom.read((200, 992, 3360), (216, 1024, 3520))
    reduced = half_to_even if channel == "image" else most_frequent
    np.testing.assert_array_equal(phantom.read(*COARSE, level=2), naive_blocks(fine, 4, reduced))


@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_a_level_is_the_same_however_it_is_cut(data):
    lower = tuple(data.draw(st.integers(lo, hi - 1)) for lo, hi in zip(*COARSE, strict=True))
    upper = tuple(data.draw(st.integers(lo + 1, hi)) for lo, hi in zip(lower, COARSE[1], strict=True))
    inside = tuple(slice(lo - a, hi - a) for lo, hi, a in zip(lower, upper, COARSE[0], strict=True))
    phantom = Phantom("image")
    whole = phantom.read(*COARSE, level=2)
    np.testing.assert_array_equal(phantom.read(lower, upper, level=2), whole[inside])


def test_the_last_voxel_of_a_level_is_the_mean_of_what_there_is():
    phantom = Phantom("image", shape=(9, 1420, 5805))
    assert phantom.shape_at(3) == (2, 178, 726)
    corner = phantom.read((1, 128, 600), (2, 129, 601), level=3)
    fine = phantom.read((8, 1024, 4800), (9, 1032, 4808))
    assert corner.item() == half_to_even(fine)


def test_equally_frequent_labels_give_the_smallest():
    labels = np.array([[[2, 1], [1, 2]]], dtype=np.uint8)
    assert block_majorities(labels, (1, 2, 2)).item() == 1


def test_half_a_grey_level_goes_to_the_even_one():
    image = np.array([[[0, 1, 1, 2]]], dtype=np.uint8)
    assert block_means(image, (1, 1, 2)).ravel().tolist() == [0, 2]
