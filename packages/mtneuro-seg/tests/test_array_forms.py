"""The public functions give the same for the same numbers, in whatever memory, byte order or type."""

from collections.abc import Callable
from typing import Any

import mtneuro_seg as seg
import numpy as np
import pytest

RNG = np.random.default_rng(0)
# Of a size that is mirrored out, and of one that is taken as it is.
IMAGES = RNG.integers(0, 256, (4, 20, 16)).astype(np.uint8)
LABELS = RNG.integers(0, 3, (4, 20, 16))
SETTINGS = seg.TrainSettings(
    model="unet", filters=2, levels=2, classes=3, epochs=1, batch_size=2, device="cpu"
)
NAMES = ("background", "vessels", "cells")
INTEGERS = ("u1", "u2", "u8", "i1")
"""Other types that hold the same labels."""


@pytest.fixture(scope="module")
def model() -> seg.Model:
    network = seg.build_network(SETTINGS).eval()
    return seg.Model(network=network, settings=SETTINGS, class_names=NAMES)


def interval(labels: np.ndarray) -> float:
    confusions = seg.confusion_per_image(LABELS, labels, classes=3)
    return seg.bootstrap_intervals(confusions, block=2, resamples=20).low.mean_iou


CALLS: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "confusion_matrix": (lambda a: seg.confusion_matrix(a, a, classes=3), LABELS),
    "confusion_per_image": (interval, LABELS),
    "scores_per_image": (lambda a: seg.scores_per_image(LABELS, a, classes=3).iou, LABELS),
    "overlay": (lambda a: seg.overlay(IMAGES[0], a[0], class_names=NAMES), LABELS),
    "overlay, image": (lambda a: seg.overlay(a[0], LABELS[0], class_names=NAMES), IMAGES),
    "subvolumes": (lambda a: seg.subvolumes(a, depth=2), LABELS),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", CALLS)
def test_the_form_of_an_array_changes_no_number(name, array_forms):
    call, array = CALLS[name]
    expected = call(array)
    for form, same in array_forms(array, *(INTEGERS if array is LABELS else ())).items():
        np.testing.assert_array_equal(call(same), expected, err_msg=form)


def test_the_form_of_images_changes_no_prediction(model, array_forms):
    expected = seg.predict(model, IMAGES)
    sweep = seg.SweepSettings(window=(16, 16), batch_size=2)
    swept = seg.swept_labels(model, IMAGES, sweep=sweep)
    for form, same in array_forms(IMAGES).items():
        np.testing.assert_array_equal(seg.predict(model, same), expected, err_msg=form)
        np.testing.assert_array_equal(seg.swept_labels(model, same, sweep=sweep), swept, err_msg=form)


@pytest.mark.usefixtures("unchecked")
def test_the_form_of_images_and_labels_changes_no_training(tmp_path, array_forms):
    images, labels = IMAGES[:, :16], LABELS[:, :16]
    weights = []
    of_labels = array_forms(labels, *INTEGERS)
    for form, same in {"plain": images, **array_forms(images)}.items():
        masks = of_labels.get(form, labels)
        made = seg.train(same, SETTINGS, masks=masks, validation=(same, masks), out=tmp_path / form)
        weights.append(next(made.network.parameters()).detach().numpy())
    for each in weights[1:]:
        np.testing.assert_array_equal(each, weights[0])


@pytest.mark.usefixtures("unchecked")
def test_masked_arrays_and_labels_that_are_no_integers_are_refused(model, tmp_path):
    hidden = np.ma.masked_equal(LABELS, 2)
    with pytest.raises(ValueError, match="masks must not be masked, got"):
        seg.train(IMAGES, SETTINGS, masks=hidden, out=tmp_path / "model")
    with pytest.raises(ValueError, match="images must not be masked"):
        seg.predict(model, np.ma.masked_equal(IMAGES, IMAGES[0, 0, 0]))
    with pytest.raises(ValueError, match="truth must not be masked"):
        seg.confusion_matrix(hidden, LABELS, classes=3)
    with pytest.raises(ValueError, match="prediction must hold labels as integers, got float64"):
        seg.confusion_matrix(LABELS, np.full(LABELS.shape, np.nan), classes=3)
