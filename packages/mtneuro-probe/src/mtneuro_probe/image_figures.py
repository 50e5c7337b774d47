"""Figures with pictures of the tissue: what a readout is sure of, and maps."""

import numpy as np
from jaxtyping import Float, Int, Shaped
from matplotlib.figure import Figure

from mtneuro_probe.figures import readable
from mtneuro_probe.regions import RegionScore
from mtneuro_probe.registry import FEATURE_UNITS


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


def map_figure(
    values: Float[np.ndarray, "y x"],
    *,
    feature: str,
    step_um: tuple[float, float] | None = None,
    image: Shaped[np.ndarray, "iy ix"] | None = None,
    title: str | None = None,
) -> Figure:
    """Return the map of a feature over a slice, beside the slice itself where it is given.

    Parameters
    ----------
    values
        The feature at each place, NaN where it is not known; see ``feature_map``.
    feature
        Its name.
    step_um
        Distance between neighbouring places ``(y, x)`` in micrometres; the axes are then in millimetres.
    image
        The slice that was mapped, of any size but the same extent.
    title
        A line above the map.

    Raises
    ------
    ValueError
        If there is no value to show or the map has other axes.
    """
    if values.ndim != 2 or not np.isfinite(values).any():
        raise ValueError(f"a map must have axes (y, x) and a known value, got shape {values.shape}")
    unit = FEATURE_UNITS.get(feature, "")
    percent = unit == "fraction"
    height, width = values.shape
    extent = (0.0, float(width), float(height), 0.0)
    if step_um is not None:
        extent = (0.0, width * step_um[1] / 1000, height * step_um[0] / 1000, 0.0)
    wide = (extent[1] / extent[2]) > 1.6
    n_panels = 1 if image is None else 2
    across, down = (1, n_panels) if wide else (n_panels, 1)
    ratio = extent[2] / extent[1]
    size = (7.5, 7.5 * ratio * down + 1.0) if wide else (4.4 * across + 1.0, 4.4 * ratio + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    if image is not None:
        panels[0].imshow(image, cmap="gray", extent=extent, aspect="equal")
        panels[0].set_title("Image")
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, [0.01, 0.99]) * (100 if percent else 1)
    drawn = panels[-1].imshow(
        values * (100 if percent else 1), cmap="viridis", vmin=low, vmax=high, extent=extent, aspect="equal"
    )
    panels[-1].set_title(readable(feature))
    panels[-1].set_facecolor("0.85")
    figure.colorbar(drawn, ax=panels[-1], label="% of pixels" if percent else unit, extend="both", shrink=0.9)
    for axes in panels:
        axes.set(xlabel="x (mm)" if step_um else "x", ylabel="y (mm)" if step_um else "y")
    if title is not None:
        figure.suptitle(title)
    return figure
