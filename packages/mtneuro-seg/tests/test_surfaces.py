"""The picture of surfaces: what is seen, where, and in which colour."""

import numpy as np
import pytest
from mtneuro_seg import surface_figure
from mtneuro_seg.surfaces import rendered_surfaces

NAMES = ("background", "vessels", "cells")


def picture(labels: np.ndarray, **changes: float) -> np.ndarray:
    return rendered_surfaces(labels, class_names=NAMES, size=60, **changes)  # pyright: ignore[reportArgumentType] (numbers only)


def seen(image: np.ndarray) -> np.ndarray:
    return np.asarray(image[..., 3] > 0)


def test_nothing_is_seen_of_background():
    assert not seen(picture(np.zeros((10, 10, 10), np.uint8))).any()


def test_a_ball_is_a_disc_in_the_colour_of_its_class():
    grid = np.indices((40, 40, 40)) - 19.5
    ball = (np.sqrt((grid**2).sum(axis=0)) < 12).astype(np.uint8) * 2
    image = picture(ball)
    # Radius 12 of a picture that spans the diagonal of the volume.
    expected = np.pi * (12 * 60 / np.sqrt(3 * 40**2)) ** 2
    assert seen(image).sum() == pytest.approx(expected, rel=0.1)
    red, green, blue, _ = image[seen(image)].mean(axis=0)
    assert red > green > 2 * blue
    about = picture(ball, azimuth=200.0, elevation=60.0)
    assert seen(about).sum() == pytest.approx(seen(image).sum(), rel=0.05)


def test_the_first_slice_is_at_the_bottom_of_the_picture():
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[:6, 12:18, 12:18] = 1
    rows = np.nonzero(seen(picture(labels, elevation=0.0)).any(axis=1))[0]
    assert rows.min() > 30


def test_what_is_in_front_hides_what_is_behind():
    labels = np.zeros((20, 40, 20), np.uint8)
    labels[:, :6], labels[:, 30:] = 1, 2
    image = picture(labels, azimuth=0.0, elevation=0.0)
    red, green, *_ = image[seen(image)].mean(axis=0)
    assert red > 2 * green
    behind = picture(labels, azimuth=180.0, elevation=0.0)
    red, green, *_ = behind[seen(behind)].mean(axis=0)
    assert green > 0.8 * red


def test_voxels_that_are_deep_are_drawn_deep():
    labels = np.ones((10, 10, 10), np.uint8)
    labels = np.pad(labels, 2)
    tall = seen(rendered_surfaces(labels, class_names=NAMES, voxel_size_um=(3, 1, 1), size=60, elevation=0))
    height, width = np.ptp(np.nonzero(tall), axis=1)
    assert height > 1.8 * width


def test_a_figure_names_the_classes():
    figure = surface_figure(np.ones((6, 6, 6), np.uint8), class_names=NAMES, size=20)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["vessels", "cells"]


@pytest.mark.usefixtures("unchecked")
def test_another_array_is_refused():
    with pytest.raises(ValueError, match=r"labels must be a volume \(z, y, x\)"):
        rendered_surfaces(np.zeros((4, 4), np.uint8), class_names=NAMES)


def test_a_volume_of_two_slices_has_a_picture() -> None:
    labels = np.zeros((2, 16, 16), np.uint8)
    labels[:, 4:12, 4:12] = 1
    assert seen(rendered_surfaces(labels, class_names=("background", "cell"), size=32)).any()


def test_the_truth_stands_beside_the_prediction_in_the_same_view_and_scale() -> None:
    labels = np.zeros((6, 20, 20), np.uint8)
    labels[2:4, 4:16, 4:16] = 1
    figure = surface_figure(2 * labels, truth=labels, class_names=NAMES, size=40)
    left, right = figure.axes
    assert (left.get_title(), right.get_title()) == ("truth", "prediction")
    assert (left.get_xlim(), left.get_ylim()) == (right.get_xlim(), right.get_ylim())
    true, predicted = (np.asarray(axes.images[0].get_array()) for axes in (left, right))
    assert (seen(true) == seen(predicted)).all()
    assert (true[seen(true)][:, 1] < predicted[seen(true)][:, 1]).all()  # red beside yellow


@pytest.mark.usefixtures("unchecked")
def test_a_truth_of_another_shape_is_refused() -> None:
    labels = np.zeros((6, 20, 20), np.uint8)
    with pytest.raises(ValueError, match="truth must have the labels' shape"):
        surface_figure(labels, truth=labels[1:], class_names=NAMES)


def test_the_edges_of_a_volume_enclose_what_is_seen_of_it() -> None:
    full = np.ones((8, 16, 12), np.uint8)
    figure = surface_figure(full, class_names=NAMES, size=80)
    (axes,) = figure.axes
    ends = np.concatenate([line.get_xydata() for line in axes.lines])
    rows, columns = np.nonzero(seen(np.asarray(axes.images[0].get_array())))
    assert len(axes.lines) == 12
    # Smoothing rounds the corners off, by less than two voxels of 4 pixels.
    for axis, places in ((0, columns), (1, rows)):
        assert 0 <= places.min() - ends[:, axis].min() < 8
        assert 0 <= ends[:, axis].max() - places.max() < 8
