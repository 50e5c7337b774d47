import numpy as np
import pytest
from mtneuro_data.phantom import Appearance, Phantom
from mtneuro_data.phantom.appearance import slow_fields
from mtneuro_data.phantom.areas import AREA_NAMES

PLACE = ((300, 700, 4000), (302, 800, 4128))


def seen(**strengths):
    return Phantom("image", appearance=Appearance(**strengths)).read(*PLACE).astype(float)


def test_no_strength_moves_a_label():
    off = Appearance(texture=0, contrast=0, noise=0, halo=0, drift=0, ring_band=0, dead_columns=0)
    for channel in ("roi_labels", "pixel_labels"):
        np.testing.assert_array_equal(
            Phantom(channel, appearance=off).read(*PLACE), Phantom(channel).read(*PLACE)
        )


def test_without_texture_only_structures_remain():
    labels = Phantom("pixel_labels").read(*PLACE)
    flat = seen(texture=0, contrast=0, noise=0, halo=0, drift=0, ring_band=0, dead_columns=0)
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
        look = Appearance(drift=drift, contrast=0, texture=0, noise=0, ring_band=0)
        phantom = Phantom("image", appearance=look)
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
    axons = slow_fields(0, 1.0, labels, z, y, x).axons
    assert abs(axons.std() - spread) < 0.2 * spread
    alike = slow_fields(0, 0.0, labels, z, y, x).axons
    assert np.unique(alike).tolist() == [1]


def spreads(drift):
    """Return how much each slow field differs between places of one area, relative to its mean."""
    z, y, x = np.random.default_rng(0).uniform(100, 1400, size=(3, 5_000))
    labels = np.full(z.shape, AREA_NAMES.index("CTX"), dtype=np.uint8)
    found = slow_fields(0, drift, labels, z, y, x)
    return {
        name: values.std() / max(abs(values.mean()), 0.1)
        for name, values in zip(found._fields, found, strict=True)
    }


def test_drift_shifts_level_contrast_blur_noise_and_texture_between_places():
    none, real, twice = (spreads(drift) for drift in (0.0, 1.0, 2.0))
    assert max(none.values()) < 1e-6
    assert real["level"] > 0.02
    assert real["texture"] > 0.2
    assert real["blur"] > 0.3
    assert min(real["contrast"], real["noise"]) > 0.07
    for name in ("level", "contrast", "noise"):
        assert twice[name] > 1.6 * real[name]


def test_drift_makes_places_of_one_area_differ_and_moves_no_label():
    def sds(drift):
        phantom = Phantom("image", appearance=Appearance(drift=drift, contrast=0, ring_band=0))
        return np.array(
            [phantom.read((300, 400, x), (301, 464, x + 64)).std() for x in range(4500, 5500, 125)]
        )

    assert sds(1.0).std() > 2.5 * sds(0.0).std()


def test_noise_is_independent_from_voxel_to_voxel():
    away = seen() - seen(noise=0)
    assert 2 < away.std() < 4
    for axis in range(3):
        first, second = (
            np.take(away, range(start, away.shape[axis] - 1 + start), axis).ravel() for start in (0, 1)
        )
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
