"""Figures: their panels and legends."""

import numpy as np
import pytest
from mtneuro_seg import learning_curves_figure, overlay, segmentation_figure

NAMES = ("background", "vessels", "cells", "axons")


def test_an_overlay_leaves_the_background_grey():
    image = np.full((2, 2), 100, np.uint8)
    shown = overlay(image, np.array([[0, 0], [1, 2]]), class_names=NAMES)
    np.testing.assert_allclose(shown[0], 100 / 255)
    assert shown[1, 0, 0] > shown[1, 0, 1]


@pytest.mark.parametrize("size", [(8, 8), (4, 8, 8)])
def test_a_figure_has_a_row_an_image_and_a_legend(size):
    images = np.zeros((2, *size), np.uint8)
    labels = np.ones((2, *size), np.uint8)
    figure = segmentation_figure(images, labels, labels, class_names=NAMES, titles=["CTX", "STR"])
    assert [axes.get_title() for axes in figure.axes[:3]] == ["image", "truth", "prediction"]
    assert len(figure.axes) == 6
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(NAMES[1:])
    without = segmentation_figure(images, None, labels, class_names=NAMES)
    assert len(without.axes) == 4


def test_errors_are_a_column_of_the_wrong_pixels():
    images = np.full((1, 2, 2), 100, np.uint8)
    truth = np.array([[[0, 1], [2, 0]]], np.uint8)
    prediction = np.array([[[0, 0], [2, 3]]], np.uint8)
    figure = segmentation_figure(images, truth, prediction, class_names=NAMES, errors=True)
    assert figure.axes[3].get_title() == "errors"
    shown = np.asarray(figure.axes[3].images[0].get_array())
    wrong = (shown != shown[..., :1]).any(axis=-1)
    assert wrong.tolist() == [[False, True], [False, True]]
    assert figure.legends[0].get_texts()[-1].get_text() == "nothing there"
    with pytest.raises(ValueError, match="errors need a truth"):
        segmentation_figure(images, None, prediction, class_names=NAMES, errors=True)


@pytest.mark.usefixtures("unchecked")
def test_labels_of_another_shape_are_refused():
    images = np.zeros((2, 8, 8), np.uint8)
    with pytest.raises(ValueError, match="prediction must have the images' shape"):
        segmentation_figure(images, images, images[:1], class_names=NAMES)


def test_learning_curves_show_what_there_is(tmp_path):
    nan = float("nan")
    rows = [
        {"epoch": 1, "step": 2, "loss": 1.0, "val_loss": nan, "val_iou": nan, "val_f1": nan},
        {"epoch": 2, "step": 4, "loss": 0.5, "val_loss": nan, "val_iou": nan, "val_f1": nan},
    ]
    figure = learning_curves_figure(rows, title="unet")
    assert [len(axes.lines) for axes in figure.axes] == [1, 0]
    scored = [row | {"val_loss": 0.7, "val_iou": 0.5, "val_f1": 0.6} for row in rows]
    assert [len(axes.lines) for axes in learning_curves_figure(scored).axes] == [2, 2]
    figure.savefig(tmp_path / "curves.png")
    with pytest.raises(ValueError, match="at least one row"):
        learning_curves_figure([])
