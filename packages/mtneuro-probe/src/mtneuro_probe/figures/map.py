"""Figure of the map of a feature over a slice."""

import numpy as np
from jaxtyping import Float, Shaped
from matplotlib.figure import Figure

from mtneuro_probe.figures.style import readable, shown_scale


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
    scale, unit = shown_scale(feature)
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
    low, high = scale * np.quantile(known, [0.01, 0.99])
    drawn = panels[-1].imshow(
        scale * values, cmap="viridis", vmin=low, vmax=high, extent=extent, aspect="equal"
    )
    panels[-1].set_title(readable(feature))
    panels[-1].set_facecolor("0.85")
    figure.colorbar(drawn, ax=panels[-1], label=unit, extend="both", shrink=0.9)
    for axes in panels:
        axes.set(xlabel="x (mm)" if step_um else "x", ylabel="y (mm)" if step_um else "y")
    if title is not None:
        figure.suptitle(title)
    return figure
