import numpy as np
import pytest
from mtneuro_probe import nearest_neighbour_distance
from mtneuro_probe.measures.cells import mean_eccentricity
from mtneuro_probe.measures.label_images import LabelImages
from scipy import ndimage
from skimage.measure import label, regionprops


def images(mask: np.ndarray, spacing: tuple[float, float] = (1.0, 1.0)) -> LabelImages:
    return LabelImages(labels=mask.astype(np.uint8), values={"cell": 1}, spacing_um=np.array(spacing, float))


def test_eccentricity_is_that_of_scikit_image():
    rng = np.random.default_rng(2)
    mask = ndimage.gaussian_filter(rng.normal(size=(3, 60, 60)), (0, 2, 2)) > 0.15
    expected = [np.mean([r.eccentricity for r in regionprops(label(one, connectivity=2))]) for one in mask]
    np.testing.assert_allclose(mean_eccentricity(images(mask), "cell"), expected, rtol=1e-6)


def test_a_square_is_round_and_a_line_is_not():
    mask = np.zeros((3, 9, 9), bool)
    mask[0, 2:5, 2:5] = True
    mask[1, 2, :] = True
    assert mean_eccentricity(images(mask), "cell")[:2].tolist() == [0, 1]
    assert np.isnan(mean_eccentricity(images(mask), "cell")[2])


def test_eccentricity_sees_the_shape_of_a_pixel():
    mask = np.ones((1, 4, 2), bool)
    # Moments of a run of n pixels are (n² - 1) / 12.
    ratio = (2**2 - 1) * 2**2 / ((4**2 - 1) * 1**2)
    assert mean_eccentricity(images(mask, (1, 2)), "cell")[0] == pytest.approx(np.sqrt(1 - ratio))


def test_distance_agrees_with_all_pairs():
    centres = np.random.default_rng(1).uniform(0, 100, size=(40, 3))
    apart = np.sort(np.linalg.norm(centres[:, None] - centres[None], axis=2), axis=1)
    for neighbour in (1, 2, 5):
        np.testing.assert_allclose(
            nearest_neighbour_distance(centres, neighbour=neighbour), apart[:, neighbour]
        )


def test_distance_follows_the_order_and_the_scale_of_its_rows():
    rng = np.random.default_rng(1)
    centres, order = rng.uniform(0, 100, size=(40, 2)), rng.permutation(40)
    distance = nearest_neighbour_distance(centres)
    np.testing.assert_array_equal(nearest_neighbour_distance(centres[order]), distance[order])
    np.testing.assert_allclose(nearest_neighbour_distance(3 * centres), 3 * distance)


@pytest.mark.parametrize(
    ("centres", "neighbour", "told"),
    [
        (np.zeros((1, 2)), 1, "at least 2 cells to have neighbour 1, got 1"),
        (np.zeros((3, 2)), 3, "at least 4 cells to have neighbour 3, got 3"),
        (np.array([[0.0, 0], [np.nan, 1]]), 1, "must be finite"),
        (np.zeros((3, 2)), 0, "at least 1, the closest"),
    ],
)
def test_wrong_input_is_refused(centres, neighbour, told):
    with pytest.raises(ValueError, match=told):
        nearest_neighbour_distance(centres, neighbour=neighbour)
