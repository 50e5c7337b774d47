import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mtneuro_data.phantom import CHANNELS, Appearance, Phantom
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


def test_voxels_grow_with_the_level():
    assert Phantom("image").voxel_size_um_at(1) == (2.34, 2.34, 2.34)


@pytest.mark.parametrize("level", [-1, 8])
def test_a_level_that_is_not_there_is_refused(level):
    with pytest.raises(ValueError, match=f"level must be 0 to 7, got {level}"):
        Phantom("image").read((0, 0, 0), (1, 1, 1), level=level)


def test_a_box_out_of_a_level_is_refused():
    with pytest.raises(ValueError, match=r"x range .* within \[0, 2903\), got \[2900, 2904\)"):
        Phantom("image").read((0, 0, 2900), (1, 1, 2904), level=1)


# --- appearance

PLACE = ((300, 700, 4000), (302, 800, 4128))


def seen(**strengths):
    return Phantom("image", appearance=Appearance(**strengths)).read(*PLACE).astype(float)


def test_no_strength_moves_a_label():
    off = Appearance(texture=0, contrast=0, halo=0, drift=0, ring_band=0, dead_columns=0)
    for channel in ("roi_labels", "pixel_labels"):
        np.testing.assert_array_equal(
            Phantom(channel, appearance=off).read(*PLACE), Phantom(channel).read(*PLACE)
        )


def test_without_texture_only_structures_remain():
    labels = Phantom("pixel_labels").read(*PLACE)
    flat = seen(texture=0, contrast=0, halo=0, drift=0, ring_band=0, dead_columns=0)
    roi = Phantom("roi_labels").read(*PLACE)
    assert len(np.unique(roi)) == 1
    assert flat.std() < 1
    assert seen(texture=0, drift=0)[labels == 0].std() < seen(drift=0)[labels == 0].std()


def test_contrast_zero_hides_the_structures():
    labels = Phantom("pixel_labels").read(*PLACE)
    plain = seen(contrast=0, texture=0, ring_band=0)
    assert abs(plain[labels == 1].mean() - plain[labels == 0].mean()) < 3
    assert seen()[labels == 1].mean() < 0.7 * seen()[labels == 0].mean()


def test_the_halo_is_brighter_than_the_background():
    assert (seen(texture=0) - seen(texture=0, halo=0)).max() > 8
    assert (seen(texture=0) - seen(texture=0, halo=0)).min() >= 0


def test_drift_changes_grey_levels_along_z():
    def means(drift):
        phantom = Phantom("image", appearance=Appearance(drift=drift, contrast=0, texture=0, ring_band=0))
        return np.array(
            [phantom.read((z, 900, 4700), (z + 1, 932, 4732)).mean() for z in range(110, 470, 40)]
        )

    assert means(0.0).std() < 0.01
    assert means(1.0).std() > 0.5


def test_the_ring_band_lies_about_the_rotation_axis():
    box = ((300, 600, 5000), (301, 920, 5200))
    with_bars = Phantom("image").read(*box).astype(float)
    without = Phantom("image", appearance=Appearance(ring_band=0)).read(*box).astype(float)
    rows = np.abs(with_bars - without).mean(axis=(0, 2))
    assert rows[155:167].mean() > 0.3
    assert not rows[:120].any()
    assert not rows[200:].any()


def test_dead_columns_are_rare_and_dark():
    always = Appearance(dead_columns=40.0)
    never = Appearance(dead_columns=0.0)
    box = ((200, 900, 0), (201, 904, 5805))
    fall = Phantom("image", appearance=never).read(*box).astype(int) - Phantom(
        "image", appearance=always
    ).read(*box)
    assert np.count_nonzero(fall.any(axis=(0, 1))) == 1
    assert fall.max() > 50


@pytest.mark.parametrize("strength", [-1.0, float("nan"), float("inf")])
def test_a_strength_that_is_none_is_refused(strength):
    with pytest.raises(ValueError, match="texture must be a strength of 0 or more"):
        Appearance(texture=strength)
