from pathlib import Path

import numpy as np
import pytest
from mtneuro_probe.measures.label_images import LabelImages
from mtneuro_probe.measures.vessels import length_density, mean_width, skeleton, skeleton_length
from skimage.morphology import skeletonize


def images(mask: np.ndarray, spacing: tuple[float, float] = (1.0, 1.0)) -> LabelImages:
    return LabelImages(
        labels=mask.astype(np.uint8), values={"vessel": 1}, spacing_um=np.array(spacing, float)
    )


@pytest.mark.parametrize("width", [1, 3, 5, 9])
def test_a_straight_vessel_is_as_wide_as_it_is(width):
    mask = np.zeros((1, 40, 100), bool)
    mask[0, 10 : 10 + width] = True
    assert mean_width(images(mask), "vessel")[0] == pytest.approx(width, rel=0.05)
    assert mean_width(images(mask, (2, 2)), "vessel")[0] == pytest.approx(2 * width, rel=0.05)


def test_a_vessel_across_an_image_has_the_length_of_its_side():
    mask = np.zeros((2, 101, 101), bool)
    mask[0, 50] = True
    np.fill_diagonal(mask[1], True)
    across, diagonal = length_density(images(mask, (2, 2)), "vessel")
    assert across == pytest.approx(1000 * 200 / 202**2)
    assert diagonal == pytest.approx(np.sqrt(2) * across)


def test_a_corner_is_two_steps_and_not_three():
    spine = np.array([[1, 0], [1, 1]], bool)
    assert skeleton_length(spine, np.ones(2)) == 2


def test_turning_an_image_changes_neither_width_nor_length():
    rng = np.random.default_rng(0)
    mask = np.zeros((1, 64, 64), bool)
    for start in rng.integers(5, 55, size=4):
        mask[0, start : start + 4, 5:60] = True
    turned = np.rot90(mask, axes=(1, 2))
    assert mean_width(images(turned), "vessel") == pytest.approx(mean_width(images(mask), "vessel"), rel=0.05)
    assert length_density(images(turned), "vessel") == pytest.approx(
        length_density(images(mask), "vessel"), rel=0.05
    )


def test_an_image_without_vessels_has_no_width_and_no_length():
    mask = np.zeros((2, 8, 8), bool)
    mask[1] = True
    assert np.isnan(mean_width(images(mask), "vessel")).all()
    assert length_density(images(mask), "vessel")[0] == 0


def test_human_vessels_are_as_wide_as_was_measured(real_data: Path):
    with np.load(real_data / "prasad2020/human_labels.npz") as drawn:
        widths = [
            mean_width(images(drawn[region] == 1, (1.17, 1.17)), "vessel") for region in ("CTX", "STR", "VP")
        ]
    # The quartiles of the widest point of each vessel: 2.1 and 3.5 µm.
    assert 1.8 < np.median(widths) < 3.6


@pytest.mark.parametrize("width", range(1, 7))
@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("exchanged", [False, True])
def test_a_diagonal_vessel_of_any_width_has_its_length(width, turns, exchanged):
    y, x = np.mgrid[:64, :64]
    mask = np.rot90((x - y >= 0) & (x - y < width), turns)
    mask = mask.T if exchanged else mask
    length = length_density(images(mask[None]), "vessel")[0] * 64 * 64 / 1000
    assert length == pytest.approx(64 * np.sqrt(2), rel=0.05)
    assert np.isfinite(mean_width(images(mask[None]), "vessel"))[0]


def test_a_diagonal_branch_two_pixels_wide_counts_beside_its_trunk():
    y, x = np.mgrid[:64, :64]
    branch = (x - y >= 0) & (x - y < 2)
    crossing = branch | branch[:, ::-1]
    length = length_density(images(crossing[None]), "vessel")[0] * 64 * 64 / 1000
    assert length == pytest.approx(2 * 64 * np.sqrt(2), rel=0.05)
    trunk = (y >= 28) & (y < 36)
    length = length_density(images((trunk | branch)[None]), "vessel")[0] * 64 * 64 / 1000
    assert length == pytest.approx(64 + 56 * np.sqrt(2), rel=0.05)


def test_what_the_plain_thinning_keeps_stays_as_it_is():
    rng = np.random.default_rng(0)
    for lines in range(1, 5):
        mask = np.zeros((64, 64), bool)
        for start in rng.integers(3, 55, size=lines):
            mask[start : start + 6, 5:60] = True
            mask[5:60, start : start + 3] = True
        np.testing.assert_array_equal(skeleton(mask), skeletonize(mask))
