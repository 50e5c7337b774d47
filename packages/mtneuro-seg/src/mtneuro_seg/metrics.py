"""Class-wise F1 and intersection over union, and accuracy of pixels, from one confusion matrix."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Integer

from mtneuro_seg._shared.masked import check_unmasked


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """F1 and intersection over union of every class, their means over the classes, and accuracy."""

    f1: Float64[np.ndarray, " classes"]
    """2 TP / (2 TP + FP + FN); nan for a class that is in neither truth nor prediction."""

    iou: Float64[np.ndarray, " classes"]
    """TP / (TP + FP + FN); nan for a class that is in neither truth nor prediction."""

    mean_f1: float
    """Mean of ``f1`` over the classes that are not nan."""

    mean_iou: float
    """Mean of ``iou`` over the classes that are not nan."""

    accuracy: float
    """Fraction of the labelled pixels that were predicted correctly."""

    balanced_accuracy: float
    """Mean, over the classes of the truth, of the fraction of each that was predicted correctly."""

    reduction: str = "pooled"
    """``"pooled"``: from the counts of all images; ``"per image"``: the mean of the images' scores."""


def confusion_matrix(
    truth: Integer[np.ndarray, "..."],
    prediction: Integer[np.ndarray, "..."],
    *,
    classes: int,
    ignore: int | None = None,
) -> Int64[np.ndarray, "classes classes"]:
    """Return how many pixels of each true class were predicted as each class.

    Matrices of parts of a data set add up to the matrix of the whole, so a large set can be streamed.

    Parameters
    ----------
    truth, prediction
        Labels of the same shape, 0 to ``classes - 1``.
    classes
        Number of classes.
    ignore
        A value in the truth that means unlabelled: such pixels are not counted.

    Returns
    -------
    confusion
        Rows are the truth, columns the prediction.

    Raises
    ------
    ValueError
        If the shapes differ, or a label is outside ``[0, classes)``.

    Examples
    --------
    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), classes=2)
    array([[1, 1],
           [0, 1]])
    """
    check_unmasked(truth, "truth", fill="ignore")
    check_unmasked(prediction, "prediction")
    if truth.shape != prediction.shape:
        raise ValueError(
            f"truth and prediction must have one shape, got {truth.shape} and {prediction.shape}"
        )
    if ignore is not None:
        labelled = truth != ignore
        truth, prediction = truth[labelled], prediction[labelled]
    check_labels(truth, "truth", classes=classes)
    check_labels(prediction, "prediction", classes=classes)
    confusion = np.zeros(classes * classes, np.int64)
    # Image by image: the pairs of one image stay in the processor's cache, those of a volume do not.
    rows = max(truth.shape[0], 1) if truth.ndim > 2 else 1
    kind = np.uint8 if classes <= 16 else np.int32
    for true, predicted in zip(truth.reshape(rows, -1), prediction.reshape(rows, -1), strict=True):
        pairs = true.astype(kind) * kind(classes) + predicted.astype(kind, copy=False)
        confusion += np.bincount(pairs, minlength=classes * classes)
    return confusion.reshape(classes, classes)


def confusion_per_image(
    truth: Integer[np.ndarray, "images *size"],
    prediction: Integer[np.ndarray, "images *size"],
    *,
    classes: int,
    ignore: int | None = None,
) -> Int64[np.ndarray, "images classes classes"]:
    """Return the confusion matrix of every image; their sum is that of the set.

    Examples
    --------
    >>> truth = np.array([[[0, 1]], [[0, 0]]])
    >>> confusion_per_image(truth, truth, classes=2).sum(axis=0)
    array([[3, 0],
           [0, 1]])
    """
    return np.stack(
        [
            confusion_matrix(t, p, classes=classes, ignore=ignore)
            for t, p in zip(truth, prediction, strict=True)
        ]
    )


def check_labels(labels: Integer[np.ndarray, "..."], name: str, *, classes: int) -> None:
    """Raise unless all labels are whole numbers in ``[0, classes)``.

    Raises
    ------
    ValueError
        Naming the type, or the values outside and how many pixels have them.
    """
    if labels.dtype.kind not in "uib":
        raise ValueError(f"{name} must hold labels as integers, got {labels.dtype}; convert them first")
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        outside = labels[(labels < 0) | (labels >= classes)]
        values = np.unique(outside)
        listed = ", ".join(str(value) for value in values[:5]) + (", …" if len(values) > 5 else "")
        raise ValueError(
            f"{name} must hold labels in [0, {classes}), got {listed} in {outside.size} pixels; "
            "set classes to fit the labels, or ignore_label if one of them means unlabelled"
        )


def scores(confusion: Int64[np.ndarray, "classes classes"]) -> Scores:
    """Return the scores of a confusion matrix.

    A class that is in neither the truth nor the prediction has no score: it is nan, and the means leave it
    out.

    Examples
    --------
    >>> result = scores(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]]))
    >>> result.iou
    array([0.5, 0.5, nan])
    >>> result.mean_iou
    0.5
    """
    f1, iou = class_scores(confusion[None])
    accuracy, balanced = accuracies(confusion[None])
    return Scores(
        f1=f1[0],
        iou=iou[0],
        mean_f1=_mean(f1[0]),
        mean_iou=_mean(iou[0]),
        accuracy=float(accuracy[0]),
        balanced_accuracy=float(balanced[0]),
    )


def scores_per_image(
    truth: Integer[np.ndarray, "images *size"],
    prediction: Integer[np.ndarray, "images *size"],
    *,
    classes: int,
    ignore: int | None = None,
    absent: float = float("nan"),
) -> Scores:
    """Return the mean over images of each image's scores.

    The second reduction that the original benchmark prints. It differs from `scores` of the pooled counts:
    an image with one small vessel weighs as much as one full of them.

    Parameters
    ----------
    truth, prediction
        Labels of the same shape, the first axis counting the images.
    classes
        Number of classes.
    ignore
        A value in the truth that means unlabelled: such pixels are not counted.
    absent
        The score, in an image, of a class that is in neither its truth nor its prediction. nan leaves the
        image out of that class's mean; the original counts 1.

    Examples
    --------
    >>> truth = np.array([[[0, 1]], [[0, 0]]])
    >>> prediction = np.array([[[0, 1]], [[0, 1]]])
    >>> scores_per_image(truth, prediction, classes=2).iou
    array([0.75, 0.5 ])
    """
    per_image = confusion_per_image(truth, prediction, classes=classes, ignore=ignore)
    f1, iou = (
        np.array([_mean(column) for column in each.T]) for each in class_scores(per_image, absent=absent)
    )
    accuracy, balanced = map(_mean, accuracies(per_image))
    return Scores(
        f1=f1,
        iou=iou,
        mean_f1=_mean(f1),
        mean_iou=_mean(iou),
        accuracy=accuracy,
        balanced_accuracy=balanced,
        reduction="per image",
    )


def class_scores(
    confusion: Int64[np.ndarray, "images classes classes"], *, absent: float = float("nan")
) -> tuple[Float64[np.ndarray, "images classes"], Float64[np.ndarray, "images classes"]]:
    """Return F1 and IoU of every class of each of many confusion matrices, ``absent`` where there is none."""
    hits = np.einsum("ncc->nc", confusion).astype(np.float64)
    both = confusion.sum(axis=1) + confusion.sum(axis=2)
    f1 = np.full(hits.shape, absent, np.float64)
    iou = f1.copy()
    np.divide(2 * hits, both, out=f1, where=both > 0)
    np.divide(hits, both - hits, out=iou, where=both > 0)
    return f1, iou


def accuracies(
    confusion: Int64[np.ndarray, "images classes classes"],
) -> tuple[Float64[np.ndarray, " images"], Float64[np.ndarray, " images"]]:
    """Return accuracy and balanced accuracy of each of many confusion matrices, nan where one is empty."""
    hits = np.einsum("ncc->nc", confusion).astype(np.float64)
    truth = confusion.sum(axis=2)
    recall = np.divide(hits, truth, out=np.zeros_like(hits), where=truth > 0)
    pixels, present = truth.sum(axis=1), (truth > 0).sum(axis=1)
    accuracy, balanced = (
        np.divide(part, whole, out=np.full(len(confusion), np.nan), where=whole > 0)
        for part, whole in ((hits.sum(axis=1), pixels), (recall.sum(axis=1), present))
    )
    return accuracy, balanced


def _mean(values: Float64[np.ndarray, " values"]) -> float:
    """Return the mean of what is not nan, or nan where nothing is left."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")
