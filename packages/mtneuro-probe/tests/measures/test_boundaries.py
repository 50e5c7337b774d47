import numpy as np
import pytest
from mtneuro_probe.measures.boundaries import boundary_density
from mtneuro_probe.measures.label_images import LabelImages


def images(labels: np.ndarray, spacing: tuple[float, float] = (1.0, 1.0)) -> LabelImages:
    return LabelImages(
        labels=labels.astype(np.uint8), values={"cell": 2}, spacing_um=np.array(spacing, float)
    )


def test_discs_have_the_length_of_their_circles():
    y, x = np.mgrid[-100:101, -100:101]
    disc = np.hypot(y, x)[None] < 60
    expected = 1000 * 2 * np.pi * 60 / 201**2
    assert boundary_density(images(disc))[0] == pytest.approx(expected, rel=0.02)
    assert boundary_density(images(disc, (2, 2)))[0] == pytest.approx(expected / 2, rel=0.02)


def test_each_boundary_is_counted_once_and_by_hand():
    image = np.array([[[0, 1, 1], [0, 1, 2]]])
    # Crossed by rows: 1 and 2; by columns: 0, 0 and 1. Lines: 2 rows of 2, 3 columns of 1.
    assert boundary_density(images(image))[0] == pytest.approx(np.pi / 2 * 1000 * 4 / 7)
    assert boundary_density(images(image), "cell")[0] == pytest.approx(np.pi / 2 * 1000 * 2 / 7)


def test_naming_labels_otherwise_changes_nothing():
    labels = np.random.default_rng(0).integers(0, 4, size=(2, 20, 20))
    np.testing.assert_array_equal(
        boundary_density(images(np.array([5, 0, 9, 2])[labels])), boundary_density(images(labels))
    )


def test_one_label_has_no_boundary():
    assert boundary_density(images(np.ones((1, 4, 4)))).tolist() == [0]
    assert boundary_density(images(np.ones((1, 1, 1)))).tolist() == [0]
