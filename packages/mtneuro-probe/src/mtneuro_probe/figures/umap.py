"""Figure of embeddings in the plane, coloured by region and by feature."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtneuro_probe.figures.style import (
    REGION_COLOURS,
    check_regions,
    panels,
    readable,
    region_colour,
    shown_scale,
)


def umap_figure(
    points: Float[np.ndarray, "samples 2"],
    *,
    region: Int[np.ndarray, " samples"] | None = None,
    region_names: Sequence[str] | None = None,
    features: pd.DataFrame | None = None,
    title: str | None = None,
) -> Figure:
    """Return one layout drawn several times: by region, then by each feature, as the paper's Figure 4.

    Parameters
    ----------
    points
        The layout, from ``umap_embedding``.
    region
        Region of each sample, counted from 0.
    region_names
        Names of the regions. By default their numbers.
    features
        A row a sample in the order of the points, a column a panel. Missing values are drawn in grey.
    title
        A line above the panels.

    Raises
    ------
    ValueError
        If rows do not fit the points or a region has no name.
    """
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points must have shape (samples, 2), got {points.shape}")
    for name, rows in (("region", region), ("features", features)):
        if rows is not None and len(rows) != len(points):
            raise ValueError(f"{name} must have one row a point, got {len(rows)} for {len(points)} points")
    columns = [] if features is None else list(features.columns)
    n_panels = max(1, (region is not None) + len(columns))
    figure, shown = panels(n_panels)
    for axes in shown:
        # UMAP's coordinates mean nothing by themselves.
        axes.set(xticks=[], yticks=[], xlabel="UMAP 1", ylabel="UMAP 2")
    free = iter(shown)
    size = float(np.clip(4000 / len(points), 3, 24))
    if region is not None:
        _draw_regions(next(free), points, region, region_names, size)
    if features is not None:
        for name in columns:
            _draw_feature(next(free), points, str(name), features[name].to_numpy(np.float64), size)
    if region is None and features is None:
        next(free).scatter(*points.T, s=size, color=REGION_COLOURS[0], linewidths=0)
    if title is not None:
        figure.suptitle(title)
    return figure


def _draw_regions(
    axes: Axes, points: np.ndarray, region: np.ndarray, names: Sequence[str] | None, size: float
) -> None:
    check_regions(region, names)
    axes.set_title("Region")
    for value in np.unique(region):
        inside = region == value
        axes.scatter(
            *points[inside].T,
            s=size,
            color=region_colour(value),
            linewidths=0,
            label=str(value) if names is None else names[value],
        )
    axes.legend(markerscale=max(1.0, 5 / size**0.5), fontsize="small", framealpha=0.8)


def _draw_feature(axes: Axes, points: np.ndarray, name: str, values: np.ndarray, size: float) -> None:
    scale, unit = shown_scale(name)
    there = np.isfinite(values)
    axes.set_title(readable(name))
    axes.scatter(*points[~there].T, s=size, color="0.8", linewidths=0)
    if not there.any():
        axes.text(0.5, 0.02, "not annotated", transform=axes.transAxes, ha="center")
        return
    drawn = axes.scatter(*points[there].T, s=size, c=scale * values[there], cmap="viridis", linewidths=0)
    figure = axes.get_figure()
    if figure is not None:
        figure.colorbar(drawn, ax=axes, label=unit)
