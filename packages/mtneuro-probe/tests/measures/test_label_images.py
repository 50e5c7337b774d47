import numpy as np
import pytest
from mtneuro_probe.measures.label_images import LabelImages, corner_crops


@pytest.fixture
def images() -> LabelImages:
    labels = np.array([[[2, 0, 0], [0, 2, 0]], [[2, 2, 0], [0, 0, 1]]], np.uint8)
    numbers = {"cell": np.where(labels == 2, 7, 0)}
    return LabelImages(
        labels=labels, values={"cell": 2, "vessel": 1}, spacing_um=np.ones(2), connectivity=4, numbers=numbers
    )


def test_a_mask_is_where_the_label_is(images):
    np.testing.assert_array_equal(images.mask("vessel"), images.labels == 1)


def test_components_that_were_numbered_in_the_volume_are_kept(images):
    assert images.components("cell").area_px.tolist() == [2, 2]


def test_components_without_numbers_are_found_image_by_image(images):
    found = LabelImages(labels=images.labels, values=images.values, spacing_um=np.ones(2), connectivity=4)
    assert found.components("cell").area_px.tolist() == [1, 1, 2]


def test_components_are_found_once(images):
    assert images.components("vessel") is images.components("vessel")


def test_corners_come_image_by_image_from_the_top_left():
    crops = corner_crops(np.arange(32).reshape(2, 4, 4))
    assert crops[:, 0, 0].tolist() == [0, 2, 8, 10, 16, 18, 24, 26]


def test_the_middle_of_an_odd_image_is_in_no_corner():
    assert 12 not in corner_crops(np.arange(25).reshape(1, 5, 5))


def test_instances_are_every_value_that_is_not_known():
    images = LabelImages(
        labels=np.array([[[0, 1, 2**63 + 1, 5, 2**63 + 1]]], np.uint64),
        values={"vessel": 1},
        spacing_um=np.ones(2),
        instances="cell",
        known=(5,),
    )
    assert images.mask("cell").tolist() == [[[False, False, True, False, True]]]
    assert images.components("cell").area_px.tolist() == [2]
