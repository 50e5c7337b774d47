"""Figures: images beside their true and predicted labels, and learning curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Integer, UInt8

from mtneuro_seg._shared.files import written_beside
from mtneuro_seg.colours import class_colours, class_rgb

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OPACITY = 0.55
_INVENTED = "nothing there"
_CURVES = {"loss": "training", "val_loss": "validation", "val_iou": "mean IoU", "val_f1": "mean F1"}


def overlay(
    image: UInt8[np.ndarray, "y x"],
    labels: Integer[np.ndarray, "y x"],
    *,
    class_names: Sequence[str],
) -> Float64[np.ndarray, "y x 3"]:
    """Return the image in grey with its labels laid over in colour, as RGB from 0 to 1.

    Examples
    --------
    >>> grey = np.full((1, 2), 255, np.uint8)
    >>> overlay(grey, np.array([[0, 1]]), class_names=["background", "vessels"])[0, 0]
    array([1., 1., 1.])
    """
    shown = np.repeat(image[..., None] / 255, 3, axis=-1)
    for label, colour in enumerate(class_rgb(class_names), start=1):
        where = labels == label
        shown[where] = (1 - _OPACITY) * shown[where] + _OPACITY * np.array(colour) / 255
    return shown


def segmentation_figure(
    images: UInt8[np.ndarray, "images *size"],
    truth: Integer[np.ndarray, "images *size"] | None,
    prediction: Integer[np.ndarray, "images *size"],
    *,
    class_names: Sequence[str],
    titles: Sequence[str] | None = None,
    errors: bool = False,
) -> "Figure":
    """Return a figure with a row an image: the image, its truth, and its prediction (the paper's Figure 3).

    Parameters
    ----------
    images
        Images ``(n, y, x)``, or subvolumes ``(n, z, y, x)``, of which the middle slice is shown.
    truth
        True labels in the same shape, or None to leave their column out.
    prediction
        Predicted labels in the same shape.
    class_names
        A name for every label, background first. Vessels are red, cells yellow and axons cyan.
    titles
        A name for every row.
    errors
        Add a column of the wrong pixels alone, in the colour of their true class, or in blue where the truth
        is background.

    Raises
    ------
    ValueError
        If the shapes differ, or errors are asked for without a truth.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    columns = {"image": None, "truth": truth, "prediction": prediction}
    for name, labels in columns.items():
        if labels is not None and labels.shape != images.shape:
            raise ValueError(f"{name} must have the images' shape {images.shape}, got {labels.shape}")
    if truth is None:
        if errors:
            raise ValueError("errors need a truth to be seen, got truth=None")
        del columns["truth"]
    names = list(class_names)
    if errors and truth is not None:
        # Pixels of the background that were given a class get a label of their own.
        names.append(_INVENTED)
        columns["errors"] = np.where(truth == 0, len(class_names), truth) * (truth != prediction)
    rows = len(images)
    figure = Figure(figsize=(2.6 * len(columns), 2.6 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, len(columns), squeeze=False)
    for row in range(rows):
        image = _plane(images[row])
        for axes, (name, labels) in zip(grid[row], columns.items(), strict=True):
            plain = np.zeros(image.shape, np.uint8) if labels is None else _plane(labels[row])
            axes.imshow(overlay(image, plain, class_names=names), interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            if row == 0:
                axes.set_title(name)
        if titles is not None:
            grid[row, 0].set_ylabel(titles[row])
    patches = [
        Patch(facecolor=colour, edgecolor="black", label=name)
        for name, colour in zip(names[1:], class_colours(names), strict=True)
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), frameon=False)
    return figure


def _plane(image: Integer[np.ndarray, "*size"]) -> Integer[np.ndarray, "y x"]:
    return image if image.ndim == 2 else image[len(image) // 2]


def learning_curves_figure(history: Sequence[Mapping[str, float]], *, title: str = "") -> "Figure":
    """Return the learning curves of a training: loss, and validation scores where there are any.

    Parameters
    ----------
    history
        Rows as `mtneuro_seg.load_history` or ``model.history`` hold them.
    title
        Written above.

    Raises
    ------
    ValueError
        If there are no rows.
    """
    from matplotlib.figure import Figure

    if not history:
        raise ValueError("history must have at least one row, got none")
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    losses, results = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    for axes, names in ((losses, ("loss", "val_loss")), (results, ("val_iou", "val_f1"))):
        for name, style in zip(names, ("-o", "--s"), strict=True):
            values = [row[name] for row in history]
            if not np.isnan(values).all():
                axes.plot(epochs, values, style, markersize=3, label=_CURVES[name])
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(frameon=False)
        else:
            axes.text(0.5, 0.5, "no validation images", ha="center", transform=axes.transAxes)
    losses.set_ylabel("loss")
    results.set(ylabel="validation score", ylim=(0, 1))
    if title:
        figure.suptitle(title)
    return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure in the format that the path's ending names, whole or not at all."""
    with written_beside(path) as beside:
        figure.savefig(beside, dpi=150, format=path.suffix[1:])
