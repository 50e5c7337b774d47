import numpy as np
import pytest
from mtneuro_data.phantom import Appearance, Phantom
from mtneuro_data.phantom.appearance import slow_fields
from mtneuro_data.phantom.areas import AREA_NAMES

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
def test_a_strength_that_is_negative_or_not_finite_is_refused(strength):
    with pytest.raises(ValueError, match="texture must be a strength of 0 or more"):
        Appearance(texture=strength)


@pytest.mark.parametrize(("area", "spread"), [("STR", 0.08), ("VP", 0.2)])
def test_bundles_differ_in_brightness_most_in_the_thalamus(area, spread):
    z, y, x = np.random.default_rng(0).uniform(100, 1400, size=(3, 20_000))
    labels = np.full(z.shape, AREA_NAMES.index(area), dtype=np.uint8)
    _, _, axons, _ = slow_fields(0, 1.0, labels, z, y, x)
    assert abs(axons.std() - spread) < 0.2 * spread
    _, _, alike, _ = slow_fields(0, 0.0, labels, z, y, x)
    assert np.unique(alike).tolist() == [1]
