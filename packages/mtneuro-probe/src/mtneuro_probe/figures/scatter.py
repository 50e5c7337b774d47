"""Figure of features as the readout predicts them against those measured."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int
from matplotlib.figure import Figure

from mtneuro_probe.figures.style import check_regions, panels, readable, region_colour, shown_scale


def scatter_figure(
    features: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    region: Int[np.ndarray, " samples"] | None = None,
    region_names: Sequence[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Return each feature as measured against as read out, a point a sample.

    Parameters
    ----------
    features
        What was measured, a row a sample.
    predictions
        What was read out, rows in the same order; see ``feature_predictions``. A panel a column.
    region
        Region of each sample, counted from 0, as colours.
    region_names
        Names of the regions. By default their numbers.
    title
        A line above the panels.

    Raises
    ------
    ValueError
        If the rows do not fit, or a column was not measured.
    """
    if len(features) != len(predictions) or (region is not None and len(region) != len(features)):
        raise ValueError(
            "features, predictions and region must have a row a sample, "
            f"got {len(features)} and {len(predictions)}"
        )
    lost = [str(name) for name in predictions.columns if name not in features.columns]
    if lost or not len(predictions.columns):
        raise ValueError(f"predictions must be of measured features, got {', '.join(lost) or 'none'}")
    figure, shown = panels(len(predictions.columns))
    values = np.zeros(len(features), dtype=np.int64) if region is None else region
    check_regions(values, region_names if region is not None else None)
    for axes, name in zip(shown, predictions.columns, strict=True):
        scale, unit = shown_scale(str(name))
        measured, told = (
            scale * table[name].to_numpy(dtype=np.float64, na_value=np.nan)
            for table in (features, predictions)
        )
        for value in np.unique(values):
            inside = values == value
            axes.scatter(
                measured[inside],
                told[inside],
                s=float(np.clip(4000 / len(features), 3, 24)),
                color=region_colour(value),
                linewidths=0,
                alpha=0.7,
                label=str(value) if region_names is None else region_names[value],
            )
        both = np.isfinite(measured) & np.isfinite(told)
        if both.any():
            ends = [min(measured[both].min(), told[both].min()), max(measured[both].max(), told[both].max())]
            axes.plot(ends, ends, color="0.3", linewidth=0.8, zorder=0)
        else:
            axes.text(0.5, 0.5, "no readout", transform=axes.transAxes, ha="center")
        axes.set(xlabel=f"measured ({unit})" if unit else "measured", ylabel="read out")
        axes.set_title(readable(str(name)))
    if region is not None:
        shown[0].legend(fontsize="small", framealpha=0.8)
    if title is not None:
        figure.suptitle(title)
    return figure
