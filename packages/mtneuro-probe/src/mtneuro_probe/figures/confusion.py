"""Figure of a confusion matrix of regions."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure


def confusion_figure(
    confusion: Int[np.ndarray, "classes classes"], class_names: Sequence[str], *, title: str | None = None
) -> Figure:
    """Return a confusion matrix: rows are the truth, colours the fraction of the row, numbers the counts.

    Parameters
    ----------
    confusion
        Number of samples, a row for each true class and a column for each predicted one.
    class_names
        One name a class.
    title
        A line above the matrix.

    Raises
    ------
    ValueError
        If the matrix is not square or does not fit the names.
    """
    if confusion.shape != (len(class_names), len(class_names)):
        raise ValueError(
            f"confusion must be {len(class_names)} x {len(class_names)}, as many as names, "
            f"got shape {confusion.shape}"
        )
    total = confusion.sum(axis=1, keepdims=True)
    fraction = np.divide(confusion, total, out=np.zeros(confusion.shape), where=total > 0)
    side = 0.7 * len(class_names) + 1.6
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    drawn = axes.imshow(fraction, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(confusion):
        colour = "white" if fraction[row, column] > 0.6 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    ticks = np.arange(len(class_names))
    axes.set_xticks(ticks, list(class_names))
    axes.set_yticks(ticks, list(class_names))
    axes.set(xlabel="predicted", ylabel="true")
    figure.colorbar(drawn, ax=axes, label="fraction of the true class", shrink=0.8)
    if title is not None:
        figure.suptitle(title)
    return figure
