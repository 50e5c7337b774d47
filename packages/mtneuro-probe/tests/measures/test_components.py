import numpy as np
import pytest
from mtneuro_probe.measures.components import component_numbers, components_of, image_components
from scipy import ndimage


def test_components_are_those_of_scipy_image_by_image():
    rng = np.random.default_rng(3)
    mask = rng.random((5, 17, 23)) < 0.4
    found = image_components(mask)
    for position, image in enumerate(mask):
        labelled = np.empty(image.shape, np.int32)
        ndimage.label(image, structure=np.ones((3, 3)), output=labelled)
        mine = found.image == position
        numbers = np.arange(1, labelled.max() + 1)
        np.testing.assert_array_equal(found.area_px[mine], np.bincount(labelled.ravel())[1:])
        np.testing.assert_allclose(
            found.centroid_px[mine], ndimage.center_of_mass(image, labelled, numbers), rtol=1e-12
        )


def test_an_image_without_a_component_has_none():
    found = image_components(np.zeros((2, 3, 4), bool))
    assert len(found.image) == len(found.area_px) == len(found.centroid_px) == 0


def test_components_that_span_an_image_do_not_reach_the_next():
    assert image_components(np.ones((3, 4, 5), bool)).area_px.tolist() == [20, 20, 20]


def test_moments_are_those_of_the_pixels():
    rng = np.random.default_rng(4)
    numbers = rng.integers(0, 4, size=(3, 9, 11))
    found = components_of(numbers)
    assert len(found.image) == 9
    for image, area, centre, moments in zip(
        found.image, found.area_px, found.centroid_px, found.moments_px, strict=True
    ):
        matching = [
            np.argwhere(numbers[image] == value)
            for value in range(1, 4)
            if np.allclose(np.argwhere(numbers[image] == value).mean(axis=0), centre)
        ]
        assert len(matching) == 1
        spread = np.cov(matching[0].T, bias=True)
        assert len(matching[0]) == area
        np.testing.assert_allclose(moments, [spread[0, 0], spread[0, 1], spread[1, 1]], atol=1e-12)


def test_numbers_of_any_size_name_components():
    numbers = np.array([[[10**12, 0, 7]], [[7, 7, 10**12]]])
    assert components_of(numbers).area_px.tolist() == [1, 1, 2, 1]


def test_small_components_are_left_out():
    found = image_components(np.array([[[1, 1, 0, 1]]], bool))
    assert found.at_least(2).area_px.tolist() == [2]


@pytest.mark.parametrize(("connectivity", "joined"), [(6, 3), (18, 2), (26, 1)])
def test_connectivity_says_which_voxels_join(connectivity, joined):
    mask = np.zeros((2, 3, 3), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[1, 2, 2] = True
    mask[0, 1, 1] = False
    assert component_numbers(mask, connectivity=connectivity).max() == joined
