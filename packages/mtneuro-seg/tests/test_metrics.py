"""Scores, against hand-worked cases and torchmetrics."""

import numpy as np
import pytest
from mtneuro_seg import confusion_matrix, scores, scores_per_image


@pytest.fixture
def labels() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, (5, 16, 16)).astype(np.uint8)
    wrong = rng.random(truth.shape) < 0.3
    return truth, np.where(wrong, rng.integers(0, 4, truth.shape), truth).astype(np.uint8)


def test_a_small_case_is_as_worked_by_hand():
    truth = np.array([[0, 0, 0], [1, 1, 2]])
    prediction = np.array([[0, 0, 1], [1, 2, 2]])
    confusion = confusion_matrix(truth, prediction, classes=3)
    assert confusion.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    result = scores(confusion)
    np.testing.assert_allclose(result.f1, [4 / 5, 2 / 4, 2 / 3])
    np.testing.assert_allclose(result.iou, [2 / 3, 1 / 3, 1 / 2])
    assert result.mean_iou == pytest.approx(0.5)


def test_matrices_of_parts_add_up(labels):
    truth, prediction = labels
    whole = confusion_matrix(truth, prediction, classes=4)
    parts = sum(confusion_matrix(t, p, classes=4) for t, p in zip(truth, prediction, strict=True))
    np.testing.assert_array_equal(whole, parts)


def test_exchanging_truth_and_prediction_transposes_the_matrix(labels):
    truth, prediction = labels
    there, back = (confusion_matrix(*pair, classes=4) for pair in ((truth, prediction), (prediction, truth)))
    np.testing.assert_array_equal(there, back.T)
    np.testing.assert_array_equal(scores(there).f1, scores(back).f1)


def test_twenty_classes_are_counted_as_well_as_four():
    truth = np.arange(20, dtype=np.uint8).repeat(3)
    assert np.diag(confusion_matrix(truth, truth, classes=20)).tolist() == [3] * 20


def test_iou_follows_from_f1(labels):
    result = scores(confusion_matrix(*labels, classes=4))
    np.testing.assert_allclose(result.iou, result.f1 / (2 - result.f1))


def test_pooled_scores_agree_with_torchmetrics(labels):
    import torch
    from torchmetrics.functional.classification import multiclass_f1_score, multiclass_jaccard_index

    truth, prediction = (torch.from_numpy(each.astype(np.int64)) for each in labels)
    result = scores(confusion_matrix(*labels, classes=4))
    f1 = multiclass_f1_score(prediction, truth, num_classes=4, average="none")
    iou = multiclass_jaccard_index(prediction, truth, num_classes=4, average="none")
    np.testing.assert_allclose(result.f1, f1, rtol=1e-6)
    np.testing.assert_allclose(result.iou, iou, rtol=1e-6)


def test_scores_per_image_are_the_mean_of_each_images_scores(labels):
    truth, prediction = labels
    each = [scores(confusion_matrix(t, p, classes=4)).iou for t, p in zip(truth, prediction, strict=True)]
    result = scores_per_image(truth, prediction, classes=4)
    np.testing.assert_allclose(result.iou, np.mean(each, axis=0))
    assert result.reduction == "per image"


def test_scores_per_image_agree_with_those_of_the_library_that_the_original_used():
    import segmentation_models_pytorch as smp
    import torch

    rng = np.random.default_rng(3)
    # Class 3 is absent from the first image: the library counts it as 1.
    truth = rng.integers(0, 4, (4, 8, 8))
    prediction = rng.integers(0, 4, (4, 8, 8))
    truth[0] %= 3
    prediction[0] %= 3
    stats = smp.metrics.get_stats(
        torch.LongTensor(prediction), torch.LongTensor(truth), mode="multiclass", num_classes=4
    )
    expected = smp.metrics.iou_score(*stats, reduction="none").mean(dim=0)
    result = scores_per_image(truth, prediction, classes=4, absent=1.0)
    np.testing.assert_allclose(result.iou, expected, rtol=1e-6)


def test_a_class_nowhere_is_nan_and_left_out_of_the_means():
    truth = np.array([0, 0, 1])
    result = scores(confusion_matrix(truth, truth, classes=3))
    assert np.isnan(result.iou[2])
    assert result.mean_iou == result.mean_f1 == 1


def test_nothing_at_all_has_no_score():
    empty = np.zeros((0, 4, 4), np.uint8)
    assert np.isnan(scores(confusion_matrix(empty, empty, classes=2)).mean_f1)


def test_unlabelled_pixels_are_not_counted():
    truth = np.array([[0, 255, 1], [1, 255, 255]])
    prediction = np.array([[0, 1, 1], [0, 0, 0]])
    assert confusion_matrix(truth, prediction, classes=2, ignore=255).tolist() == [[1, 0], [1, 1]]
    single = scores_per_image(truth, prediction, classes=2, ignore=255)
    np.testing.assert_allclose(single.iou, [(1 + 0) / 2, (1 + 0) / 2])


def test_a_label_outside_the_classes_is_refused_by_value():
    truth = np.array([0, 1, 7, 7])
    with pytest.raises(ValueError, match=r"truth must hold labels in \[0, 3\), got 7 in 2 pixels"):
        confusion_matrix(truth, truth, classes=3)
    with pytest.raises(ValueError, match="prediction must hold"):
        confusion_matrix(np.array([0]), np.array([-1]), classes=3)


def test_differing_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        confusion_matrix(np.zeros((2, 2), int), np.zeros((2, 3), int), classes=2)


def test_accuracy_is_of_pixels_and_balanced_accuracy_of_the_classes_of_the_truth():
    # Nine pixels of background, all right; one cell of two found; no vessel in the truth, one predicted.
    truth = np.array([[0] * 9 + [2, 2, 0]])
    prediction = np.array([[0] * 9 + [2, 0, 1]])
    result = scores(confusion_matrix(truth, prediction, classes=3))
    assert result.accuracy == pytest.approx(10 / 12)
    assert result.balanced_accuracy == pytest.approx((9 / 10 + 1 / 2) / 2)


def test_both_accuracies_are_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    truth, prediction = np.random.default_rng(0).integers(0, 4, (2, 1, 200))
    result = scores(confusion_matrix(truth, prediction, classes=4))
    assert result.accuracy == pytest.approx(metrics.accuracy_score(truth[0], prediction[0]))
    assert result.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(truth[0], prediction[0]))


def test_accuracies_per_image_are_the_mean_of_each_images():
    truth = np.array([[[0, 0, 0, 1]], [[0, 0, 0, 0]], [[255, 255, 255, 255]]])
    prediction = np.array([[[0, 0, 0, 0]], [[0, 0, 0, 1]], [[0, 0, 0, 0]]])
    result = scores_per_image(truth, prediction, classes=2, ignore=255)
    # The third image has no labelled pixel, and so no score.
    assert (result.accuracy, result.balanced_accuracy) == (0.75, (0.5 + 0.75) / 2)
    assert np.isnan(scores(np.zeros((2, 2), np.int64)).accuracy)
