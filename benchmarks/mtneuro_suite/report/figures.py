"""Draw the report's figures: learning curves, and accuracy against training data and resolution."""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from mtneuro_suite.plan.inputs import RegionInput
from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.preset.paper import METHOD_ROWS, Quoted
from mtneuro_suite.report.names import class_setting, model_name, with_legend
from mtneuro_suite.report.rows import rows_of
from mtneuro_suite.report.tables import (
    Cell,
    Table,
    accuracy_table,
    region_table,
    resolution_name,
    resolutions,
)
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import Store
from mtneuro_suite.steps.dense import Dense
from mtneuro_suite.steps.point_regions import PointRegions
from mtneuro_suite.steps.regions import TEST, Regions
from mtneuro_suite.steps.segmentation_scores import ScoredNetwork

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CURVES = 24
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8a8d91", "#b3a125")
"""The palette of Okabe and Ito, without black, which a dark page would hide."""

MARKERS = "os^Dv<>P"
DASHES = ("-", "--", ":")
_SCHEME = (
    "<style>svg{color:#1c2530;fill:#1c2530}"
    "@media(prefers-color-scheme:dark){svg{color:#e4e9ee;fill:#e4e9ee}}</style>"
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure of the report: an image's data URI, what it shows, and what stands beneath it."""

    uri: str
    caption: str


def svg_uri(figure: "Figure") -> str:
    """Return the data URI of `svg_text`."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg_text(figure).encode()).decode()


def svg_text(figure: "Figure") -> str:
    """Return a figure as an SVG whose black parts follow the reader's light or dark scheme."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "mtneuro"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = re.sub(r"(stroke|fill): ?#000000", r"\1: currentColor", buffer.getvalue())
    return re.sub(r"(<svg[^>]*>)", lambda match: match[1] + _SCHEME, text, count=1)


SeededT = TypeVar("SeededT", bound=Regions | PointRegions | ScoredNetwork)


def first_seed(runs: Sequence[Run[SeededT]], plan: Plan) -> list[Run[SeededT]]:
    """Return the runs of the preset's first seed."""
    return [run for run in runs if run.step.seed == plan.preset.seeds[0]]


def tidy(axes: "Axes") -> None:
    """Give axes small numbers, and no lines at the top and on the right."""
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def line_style(place: int) -> dict[str, Any]:
    """Return how the n-th line of a figure is drawn: dashed, with hollow markers, where colours come again.

    Examples
    --------
    >>> line_style(8)
    {'color': '#0072B2', 'marker': 'o', 'linestyle': '--', 'markerfacecolor': 'none'}
    """
    turn, colour = divmod(place, len(COLOURS))
    return {
        "color": COLOURS[colour],
        "marker": MARKERS[colour],
        "linestyle": DASHES[turn % len(DASHES)],
        "markerfacecolor": "none" if turn else COLOURS[colour],
    }


def panel_grid(count: int, *, height: float, sharey: bool) -> "tuple[Figure, np.ndarray]":
    """Return a figure of some panels, three in a line at most, and its axes ``(lines, columns)``."""
    from matplotlib.figure import Figure

    columns = min(3, count)
    lines = -(-count // columns)
    figure = Figure(figsize=(2.6 * columns + 1.3, height * lines + 0.3), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharey=sharey)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    return figure, grid


def name_axes(figure: "Figure", grid: np.ndarray, *, x: str, y: str) -> None:
    """Write what a figure's panels show beneath them, and on the left of each line."""
    for axes in grid[:, 0]:
        axes.set_ylabel(y, fontsize=8)
    figure.supxlabel(x, fontsize=8)


def name_lines(figure: "Figure", axes: "Axes", names: Sequence[str], *, size: float = 4) -> None:
    """Write on the right of a figure what its lines, in `line_style`, are called."""
    handles = [axes.plot([], [], ms=size, **line_style(place))[0] for place in range(len(names))]
    figure.legend(handles, names, loc="outside right center", fontsize=7, frameon=False)


def _curve(history: pd.DataFrame) -> "Figure":
    """Return the training loss against steps, and the validation loss where there is one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.7, 1.9), layout="constrained")
    axes = figure.subplots()
    marker = "o" if len(history) < 30 else None
    axes.plot(
        history["step"], history["loss"], color=COLOURS[0], lw=1.2, label="training", marker=marker, ms=3
    )
    if "val_loss" in history and np.isfinite(history["val_loss"].to_numpy(np.float64)).any():
        axes.plot(history["step"], history["val_loss"], color=COLOURS[5], ls="--", lw=1.2, label="validation")
        axes.legend(fontsize=6, frameon=False)
    axes.set_xlabel("step", fontsize=7)
    axes.set_ylabel("loss", fontsize=7)
    tidy(axes)
    return figure


@dataclass(frozen=True, slots=True)
class CurveGroup:
    """The learning curves of like runs."""

    title: str
    pictures: tuple[Picture, ...]
    left_out: int
    """How many more there are."""


def learning_curves(plan: Plan, store: Store) -> list[CurveGroup]:
    """Return the learning curves of the first seed: encoders, networks in 2D, networks in 3D."""
    seed = plan.preset.seeds[0]
    groups: dict[str, list[tuple[str, Path]]] = {}
    for run in plan.encoders:
        if store.done(run) and (run.step.taken or run.step.train.seed == seed):
            name = run.title.removeprefix("train ").rpartition(",")[0]
            title = "Encoders of Task 1" if plan.regions else "Encoders"
            groups.setdefault(title, []).append((name, store.folder(run)))
    halves = {half.name: half for half in plan.inputs.segmentation}
    for run in filter(store.done, first_seed(plan.microstructure, plan)):
        half = halves[run.step.task]
        name = f"{model_name(run.step.model)}, {class_setting(half.classes)}"
        title = f"Networks of Task 2 in {half.dimensions}D"
        if isinstance(run.step, Dense):
            title = "Heads of Task 2 on frozen encoders"
        groups.setdefault(title, []).append((name, store.folder(run)))
    shown: list[CurveGroup] = []
    for title, named in groups.items():
        files = [(name, folder / "model" / "history.csv") for name, folder in named]
        found = [(name, pd.read_csv(path)) for name, path in files if path.is_file()]
        # A method without steps, such as PCA, has a history without rows.
        found = [(name, history) for name, history in found if len(history) and "loss" in history]
        if found:
            pictures = tuple(Picture(svg_uri(_curve(history)), name) for name, history in found[:MOST_CURVES])
            shown.append(CurveGroup(title, pictures, max(0, len(found) - MOST_CURVES)))
    return shown


def _training_images(plan: Plan, store: Store, region: RegionInput) -> int | None:
    """Return how many images the models of a sub-task were trained on, once they are loaded."""
    for run in plan.regions:
        if f"{TEST}{region.name}" in run.needs:
            parts = run.needs["train"]
            if all(store.done(part) for part in parts):
                return sum(store.result(part)["extra"]["images"] for part in parts)
    return None


Line = Mapping[int, tuple[float, float]]
"""Mean and standard deviation by place on the axis."""


def _point(number: Cell | Quoted | None) -> tuple[float, float] | None:
    return None if number is None or number.mean is None else (number.mean, number.sd or 0.0)


def _side_by_side(
    ours: Mapping[str, Line], papers: Mapping[str, Line], ticks: Sequence[str], label: str
) -> "Figure":
    """Return accuracy by method: ours, and on its right the paper's where there are any."""
    from matplotlib.figure import Figure

    sides = [("ours", ours), ("the paper's", papers)] if papers else [("", ours)]
    figure = Figure(figsize=(7.6 if papers else 5.6, 3.4), layout="constrained")
    panels = figure.subplots(1, len(sides), sharey=True, squeeze=False)[0]
    methods = list(dict.fromkeys([*ours, *papers]))
    for axes, (title, lines) in zip(panels, sides, strict=True):
        for place, method in enumerate(methods):
            points = lines.get(method, {})
            if points:
                x = np.array(list(points)) + (place - (len(methods) - 1) / 2) * 0.03
                mean, sd = zip(*points.values(), strict=True)
                axes.errorbar(x, mean, sd, ms=4.5, lw=1.3, elinewidth=0.8, **line_style(place))
        axes.set_title(title, fontsize=9)
        axes.set_xticks(range(len(ticks)), ticks)
        axes.set_xlim(-0.3, len(ticks) - 0.7)
        axes.set_ylim(0, 1.02)
        axes.grid(axis="y", alpha=0.25)
        tidy(axes)
    panels[0].set_ylabel("accuracy", fontsize=8)
    figure.supxlabel(label, fontsize=8)
    name_lines(figure, panels[0], methods, size=4.5)
    return figure


def _columns_figure(table: Table, places: Sequence[int], ticks: Sequence[str], label: str) -> "Figure | None":
    """Return some of a table's columns as a drawing, or None where too little has a result."""
    ours: dict[str, dict[int, tuple[float, float]]] = {}
    papers: dict[str, dict[int, tuple[float, float]]] = {}
    for name, cells in table.rows:
        method = re.sub(r" \(p=.*\)$", "", name)
        for place, column in enumerate(places):
            if point := _point(cells[column]):
                ours.setdefault(method, {})[place] = point
            # The paper has no line for a row of one's own.
            beside = table.papers_data and method in METHOD_ROWS.values()
            if beside and (point := _point(cells[column].quoted)):
                papers.setdefault(method, {})[place] = point
    if not any(len(line) > 1 for line in ours.values()):
        return None
    return _side_by_side(ours, papers, ticks, label)


def accuracy_figures(plan: Plan, store: Store) -> list[Picture]:
    """Return accuracy against training data, and against resolution, where there are runs for either."""
    rows = rows_of(plan, store)
    table = region_table(plan, rows)
    regions = [region for region in plan.inputs.scored_regions if region.table == "1"]
    if table is None:
        return []
    shown: list[Picture] = []
    resolution = [region.downsample for region in regions]
    for depth in dict.fromkeys(region.depth for region in regions):
        same = [
            i for i, region in enumerate(regions) if (resolution[i], region.depth) == (resolution[0], depth)
        ]
        what = "subvolumes" if depth > 1 else "images"
        ticks = [
            f"{regions[i].column}\n{_training_images(plan, store, regions[i]) or '?'} {what}" for i in same
        ]
        label = f"sub-task, and the {what} that its models were trained on"
        if len(same) > 1 and (figure := _columns_figure(table, same, ticks, label)):
            about = (
                "ROI-C2 scores the models of ROI-C1 on other cubes; ROI-C3 trains on more. "
                if plan.preset.inputs == "paper"
                else ""
            )
            bars = "Bars are standard deviations over seeds." if len(plan.preset.seeds) > 1 else ""
            caption = f"Accuracy against training data. {about}{bars}".strip()
            shown.append(Picture(svg_uri(figure), with_legend(caption, plan)))
    named = {resolution_name(region): region for region in resolutions(plan)}
    of_roi_c1 = accuracy_table(plan, rows, [*named.values()], headings=[*named], title="")
    if (
        of_roi_c1 is not None
        and len(named) > 1
        and (figure := _columns_figure(of_roi_c1, range(len(named)), [*named], "resolution"))
    ):
        caption = "Accuracy on ROI-C1 against resolution, as the paper's Table A3."
        shown.append(Picture(svg_uri(figure), with_legend(caption, plan)))
    return shown
