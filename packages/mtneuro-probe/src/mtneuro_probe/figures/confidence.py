"""Figure of the images whose region a readout is most and least sure of."""

import numpy as np
from jaxtyping import Int, Shaped
from matplotlib.figure import Figure

from mtneuro_probe.readout.regions import RegionScore


def confidence_figure(
    images: Shaped[np.ndarray, "samples ..."],
    score: RegionScore,
    region: Int[np.ndarray, " samples"],
    *,
    n_images: int = 6,
    title: str | None = None,
) -> Figure:
    """Return the images whose region the readout is most and least confident about, with what it says.

    Parameters
    ----------
    images
        The samples that were scored, ``(n, y, x)``, or ``(n, z, y, x)`` of which the middle slice is shown.
    score
        The result of ``region_readout`` on them, or of ``region_cross_validation``.
    region
        Their true regions.
    n_images
        Number of images in each row.
    title
        A line above the rows.

    Raises
    ------
    ValueError
        If the rows do not fit or the images are no pictures.
    """
    if not len(images) == len(score.predicted) == len(region):
        raise ValueError(
            "images, score and region must be of the same samples, "
            f"got {len(images)}, {len(score.predicted)} and {len(region)}"
        )
    if images.ndim not in (3, 4) or n_images < 1:
        raise ValueError(f"images must have shape (n, y, x) or (n, z, y, x), got {images.shape}")
    order = np.argsort(-score.confidence, kind="stable")
    order = order[np.isfinite(score.confidence[order])]
    shown = min(n_images, len(order))
    figure = Figure(figsize=(1.7 * shown + 0.6, 4.4), layout="constrained")
    rows = figure.subplots(2, shown, squeeze=False)
    for row, chosen, label in (
        (rows[0], order[:shown], "most confident"),
        (rows[1], order[::-1][:shown], "least confident"),
    ):
        for axes, sample in zip(row, chosen, strict=True):
            image = images[sample] if images.ndim == 3 else images[sample][images.shape[1] // 2]
            axes.imshow(image, cmap="gray")
            axes.set(xticks=[], yticks=[])
            told = score.class_names[score.predicted[sample]]
            right = score.predicted[sample] == region[sample]
            truth = "" if right else f", is {score.class_names[region[sample]]}"
            axes.set_title(
                f"{told} {score.confidence[sample]:.2f}{truth}",
                fontsize="small",
                color="black" if right else "#B3261E",
            )
        row[0].set_ylabel(label)
    if title is not None:
        figure.suptitle(title)
    return figure
