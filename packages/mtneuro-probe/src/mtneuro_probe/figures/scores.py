"""Figure of R² scores: bars, their intervals, and the levels to compare them with."""

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtneuro_probe.figures.style import REGION_COLOURS, readable

_SCORES = (
    "r2_same_sample",
    "r2_same_sample_projected",
    "r2_cross_validated",
    "r2_low",
    "r2_high",
    "r2_null",
    "r2_ceiling",
)


def r2_figure(table: pd.DataFrame, *, title: str | None = None) -> Figure:
    """Return bars of R² for each feature, on the same samples and cross-validated.

    Cross-validated bars carry their 95 % interval, a dash at the score that 1 in 20 permutations exceeds, a
    line at the ceiling and a mark for each floor, where the table has them.

    Parameters
    ----------
    table
        The result of ``feature_readout``.
    title
        A line above the bars.

    Raises
    ------
    ValueError
        If the table has neither score.
    """
    kinds = {
        "r2_same_sample": ("fitted and scored on the same samples", "#9AA5B1"),
        "r2_cross_validated": ("cross-validated, 95 % interval", REGION_COLOURS[0]),
    }
    shown = [name for name in kinds if name in table.columns]
    if not shown:
        raise ValueError(
            f"table must have a column of {', '.join(kinds)}, got {', '.join(map(str, table.columns))}"
        )
    figure = Figure(figsize=(1.25 * len(table) + 3, 4.0), layout="constrained")
    axes = figure.subplots()
    place, width = np.arange(len(table)), 0.8 / len(shown)
    lowest = 0.0
    for position, name in enumerate(shown):
        label, colour = kinds[name]
        score = _column(table, name)
        at = place + (position - (len(shown) - 1) / 2) * width
        low, high = (_column(table, end) for end in ("r2_low", "r2_high"))
        sure = np.isfinite(low) & np.isfinite(high) & (name == "r2_cross_validated")
        axes.bar(at, np.nan_to_num(score), width, label=label, color=colour)
        axes.vlines(at[sure], low[sure], high[sure], color="0.15", linewidth=1.2)
        lowest = min(lowest, float(np.fmin.reduce([*score, *low[sure]], initial=0.0)))
        for x, value, top in zip(at, score, np.where(sure, high, score), strict=True):
            text = "–" if np.isnan(value) else f"{value:.2f}"
            above = (x, max(0.0, np.nan_to_num(top)))
            axes.annotate(text, above, (0, 3), textcoords="offset points", ha="center", fontsize="small")
        if name == "r2_cross_validated":
            lowest = min(lowest, _draw_bounds(axes, table, at, width))
    axes.axhline(0, color="0.3", linewidth=0.8)
    # A score far below 0 is as good as none; showing all of it would hide the rest.
    axes.set_ylim(max(lowest * 1.1, -1.0), 1.12)
    axes.set_xticks(place, [readable(str(name)).replace(" ", "\n") for name in table.index])
    axes.set_ylabel("R²")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(fontsize="small", loc="outside lower center", ncols=3, frameon=False)
    if title is not None:
        figure.suptitle(title)
    return figure


def _column(table: pd.DataFrame, name: str) -> np.ndarray:
    if name not in table.columns:
        return np.full(len(table), np.nan)
    return table[name].to_numpy(dtype=np.float64)


def _draw_bounds(axes: Axes, table: pd.DataFrame, at: np.ndarray, width: float) -> float:
    """Draw null, ceiling and floors at the cross-validated bars, and return the lowest floor or 0."""
    for name, label, colour, dashes in (
        ("r2_null", "95 % of permutations", "#D55E00", ":"),
        ("r2_ceiling", "ceiling of the labels", "#000000", "--"),
    ):
        level = np.repeat(_column(table, name), 3)
        if np.isfinite(level).any():
            # A dash at each bar; the third point of each is missing, and parts them.
            ends = at[:, None] + np.array([-width / 2, width / 2, np.nan])
            axes.plot(ends.ravel(), level, label=label, linewidth=1.5, color=colour, linestyle=dashes)
    floors = [str(name) for name in table.columns if str(name).startswith("r2_") and name not in _SCORES]
    looks = cycle(zip("ovs^D", REGION_COLOURS[1:], strict=False))
    lowest = 0.0
    for floor, (marker, colour) in zip(floors, looks, strict=False):
        level = np.maximum(_column(table, floor), -0.95)
        lowest = min(lowest, float(np.fmin.reduce(level, initial=0.0)))
        axes.scatter(
            at,
            level,
            s=22,
            marker=marker,
            color=colour,
            edgecolors="black",
            linewidths=0.5,
            zorder=3,
            label=f"floor: {readable(floor.removeprefix('r2_')).lower()}",
        )
    return lowest
