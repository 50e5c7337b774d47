"""Draw the figure of the report's first screen: every row of the first table that was run, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from textwrap import fill
from typing import TYPE_CHECKING, Any

from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.report.figures import COLOURS, svg_uri, tidy
from mtneuro_suite.report.statistics import share_text
from mtneuro_suite.report.tables import (
    CROSS_VALIDATED,
    ON_COLUMNS,
    Cell,
    Table,
    microstructure_samples,
    region_samples,
    region_table,
    segmentation_tables,
    semantics_tables,
)
from mtneuro_suite.runs.row import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS = 5
MOST_ROWS = 16
"""Rows that have learnt something; floors are drawn whatever their number."""

LOWEST = -0.5
"""An R2 can be as bad as one likes; beneath it nothing is drawn."""

_LEARNT, _FLOOR = COLOURS[0], COLOURS[6]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One figure in two shapes, for a wide page and for a telephone, as data URIs.

    What abbreviations mean stands beneath it on the page.
    """

    wide: str
    narrow: str
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Glance:
    """Some columns of a table, as they are drawn."""

    table: Table
    measure: str
    chance: tuple[float | None, ...]
    """What guessing reaches in each column; None where nobody guesses."""

    caption: str


def overview(plan: Plan, rows: Sequence[Row]) -> Overview | None:
    """Return the rows of Table 1 as points with their intervals; those of Table 2 or 3 where it is not run.

    Parameters
    ----------
    plan
        What was run.
    rows
        Its rows.

    Returns
    -------
    figure
        None where no table has a number yet.
    """
    glance = _glance(plan, rows)
    if glance is None:
        return None
    table = glance.table
    further = [
        "Bars: 95 % intervals." if any(cell.ends for _, cells in table.rows for cell in cells) else "",
        "Dotted: chance." if any(glance.chance) else "",
        "Beneath the rule: without learning." if table.floors else "",
    ]
    if (left_out := len(table.learnt) - MOST_ROWS) > 0:
        further.append(f"{left_out} more rows stand in the table.")
    caption = " ".join(filter(None, (glance.caption, *further)))
    return Overview(
        wide=svg_uri(_drawn(glance, narrow=False)),
        narrow=svg_uri(_drawn(glance, narrow=True)),
        caption=caption,
    )


def overview_figure(plan: Plan, rows: Sequence[Row]) -> "Figure | None":
    """Return the same figure for a wide page, or None where no table has a number yet."""
    glance = _glance(plan, rows)
    return None if glance is None else _drawn(glance, narrow=False)


def _glance(plan: Plan, rows: Sequence[Row]) -> _Glance | None:
    glances = (_of_regions(plan, rows), _of_segmentation(plan, rows), _of_semantics(plan, rows))
    return next(filter(None, glances), None)


def _of_regions(plan: Plan, rows: Sequence[Row]) -> _Glance | None:
    table = region_table(plan, rows)
    regions = [region for region in plan.inputs.scored_regions if region.table == "1"][:MOST_PANELS]
    if table is None or not (table := _columns(table, range(len(regions)))):
        return None
    chance = [
        1 / len({cube.region for task in region.test for cube in task.cubes.values()}) for region in regions
    ]
    caption = f"Task 1: accuracy of the region. {region_samples(plan, regions)}"
    return _Glance(table=table, measure="accuracy", chance=tuple(chance), caption=caption)


def _of_segmentation(plan: Plan, rows: Sequence[Row]) -> _Glance | None:
    for table in segmentation_tables(plan, rows):
        places = [place for place, name in enumerate(table.columns) if not name.startswith("background")]
        # The average first, and then what it is of.
        if shown := _columns(table, [*places[-1:], *places[:-1]][:MOST_PANELS]):
            setting = table.title.partition(", ")[2].partition(":")[0]
            caption = f"Task 2, {setting}: F1 by class. {microstructure_samples(plan, setting)}"
            return _Glance(table=shown, measure="F1", chance=(None,) * len(shown.columns), caption=caption)
    return None


def _of_semantics(plan: Plan, rows: Sequence[Row]) -> _Glance | None:
    for table in semantics_tables(plan, rows):
        if table.title.endswith((CROSS_VALIDATED, ON_COLUMNS)) and (
            shown := _columns(table, range(MOST_PANELS))
        ):
            caption = f"{table.title.replace('Table 3', 'Task 3')}."
            return _Glance(table=shown, measure="R2", chance=(0.0,) * len(shown.columns), caption=caption)
    return None


def _columns(table: Table, places: Sequence[int]) -> Table | None:
    """Return some of a table's columns, and the rows that have a number there; None where none has."""
    places = [place for place in places if place < len(table.columns)]
    learnt, floors = (
        [
            (label, tuple(cells[place] for place in places))
            for label, cells in part
            if any(cells[place].mean is not None for place in places)
        ]
        for part in (table.learnt, table.beneath_rule)
    )
    if not learnt and not floors:
        return None
    return replace(
        table,
        columns=tuple(table.columns[place] for place in places),
        rows=(*learnt, *floors),
        floors=len(floors),
    )


def _drawn(glance: _Glance, *, narrow: bool) -> "Figure":
    """Return a panel a column. On a narrow page the rows' names stand above their points, not beside them."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    table = replace(glance.table, rows=(*glance.table.learnt[:MOST_ROWS], *glance.table.beneath_rule))
    learnt = len(table.learnt)
    # A gap for the rule, and on a narrow page a line for each name.
    heights = [row + (0.5 if row >= learnt > 0 else 0.0) for row in range(len(table.rows))]
    size = (3.85, 0.75 + 0.37 * heights[-1] + 0.4) if narrow else (6.1, 0.85 + 0.27 * heights[-1] + 0.2)
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.02)
    figure = Figure(figsize=size, layout=layout)
    panels = figure.subplots(1, len(table.columns), squeeze=False, sharey=True).flat
    values = [
        value
        for _, cells in table.rows
        for cell in cells
        for value in (cell.mean, *(cell.ends or ()))
        if value is not None
    ]
    low = max(LOWEST, min(0.0, *values))
    for place, axes in enumerate(panels):
        for height, (_, cells), row in zip(heights, table.rows, range(len(table.rows)), strict=True):
            _draw_cell(axes, cells[place], height, _LEARNT if row < learnt else _FLOOR, low)
        if (chance := glance.chance[place]) is not None:
            axes.axvline(chance, color="0.5", ls=":", lw=1, zorder=0)
        if 0 < learnt < len(table.rows):
            axes.axhline(heights[learnt] - 0.75, color="0.5", lw=0.8)
        axes.set_xlim(low - 0.04, 1.3)
        axes.set_ylim(heights[-1] + 0.5, -0.75 if narrow else -0.5)
        axes.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
        axes.grid(axis="x", alpha=0.25)
        axes.set_title(fill(table.columns[place], 10 if narrow else 16), fontsize=8 if narrow else 9)
        tidy(axes)
        axes.tick_params(axis="y", length=0, labelsize=8.5)
        axes.spines["left"].set_visible(False)
        axes.spines["bottom"].set_bounds(low, 1)
    names = [label for label, _ in table.rows]
    first = figure.axes[0]
    if narrow:
        first.set_yticks([])
        # Above the panels' own background, which would hide what reaches into the next one.
        for axes in figure.axes:
            axes.patch.set_visible(False)
        for height, name in zip(heights, names, strict=True):
            first.text(low, height - 0.3, name, fontsize=8, va="bottom", in_layout=False)
    else:
        first.set_yticks(heights, [fill(name, 24) for name in names])
    figure.supxlabel(glance.measure, fontsize=8)
    return figure


def _draw_cell(axes: "Axes", cell: Cell, height: float, colour: str, low: float) -> None:
    """Draw a mean, its interval, and the mean in figures on the right."""
    if cell.mean is None:
        return
    style: dict[str, Any] = {"color": colour, "lw": 1.6, "solid_capstyle": "butt"}
    if cell.ends is not None:
        start, end = (max(low, place) for place in cell.ends)
        axes.plot([start, end], [height, height], **style)
    if cell.mean >= low:
        axes.plot([cell.mean], [height], "o", color=colour, ms=4.5)
    axes.text(1.06, height, share_text(cell.mean), fontsize=7, va="center")
