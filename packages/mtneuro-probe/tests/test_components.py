import numpy as np
from mtneuro_probe.components import image_components
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
