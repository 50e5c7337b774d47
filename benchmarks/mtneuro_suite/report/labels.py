"""Draw the curves of label efficiency: each score against the part of the labels that was learnt from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from mtneuro_suite.plan.costs import image_count
from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.plan.rows import encoder_rows
from mtneuro_suite.report.figures import Picture, line_style, name_axes, name_lines, panel_grid, svg_uri, tidy
from mtneuro_suite.report.names import (
    class_setting,
    feature_name,
    model_name,
    table1_metric,
    task_name,
    with_legend,
)
from mtneuro_suite.report.rows import rows_of
from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import Store
from mtneuro_suite.steps import Arrays
from mtneuro_suite.steps.few_labels import labelled
from mtneuro_suite.steps.regions import TEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOWEST_R2 = -0.5
"""A fit to a handful of samples can be as bad as one likes; beneath it nothing is drawn."""

Curve = Mapping[float, Sequence[float]]
"""Scores over seeds by part of the labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The curves of one column of a table."""

    title: str
    counts: Mapping[float, int | None]
    """Labelled images by part; None where each fit has its own number."""

    curves: Mapping[str, Curve]
    """By model."""

    chance: float | None = None


def label_figures(plan: Plan, store: Store) -> list[Picture]:
    """Return a figure for each task that was run with parts of the labels, as far as there are results."""
    rows = rows_of(plan, store)
    bars = " Bars reach from the lowest seed to the highest." if len(plan.preset.seeds) > 1 else ""
    block = (
        "Labels: a block of neighbouring slices at the start of each training cube; smaller parts lie within "
        f"larger ones.{bars} Dotted: chance, or the mean."
    )
    beneath = f"Beneath each part the labelled images. {block}"
    found = [
        (_region_panels(plan, rows), "accuracy", f"Task 1: accuracy by part of the labels. {beneath}"),
        (_segmentation_panels(plan, rows), "mean F1", f"Task 2: F1 by part of the labels. {beneath}"),
        *(
            (
                _semantics_panels(plan, rows, task),
                "R2",
                _semantics_caption(task_name(task, plan), block),
            )
            for task in dict.fromkeys(run.step.task for run in plan.labels.semantics)
        ),
    ]
    return [
        Picture(svg_uri(_drawn(shown, label)), with_legend(caption, plan))
        for panels, label, caption in found
        if (shown := [panel for panel in panels if panel.curves])
    ]


def _semantics_caption(task: str, block: str) -> str:
    return (
        f"Task 3, encoders from {task}: cross-validated R2 by part of each split's labels, on the same "
        f"samples. {block} Nothing below {LOWEST_R2:g} is drawn."
    )


def _region_panels(plan: Plan, rows: Sequence[Row]) -> list[Panel]:
    one, parts = plan.preset.task1, plan.labels.regions
    panels: list[Panel] = []
    for region in plan.inputs.scored_regions if one and parts else ():
        counts: dict[float, int | None] = {
            part: _count(next(run for run in runs if labelled(f"{TEST}{region.name}", part) in run.needs))
            for part, runs in parts.items()
            if any(labelled(f"{TEST}{region.name}", part) in run.needs for run in runs)
        }
        counts[1.0] = image_count(region.train)
        curves = {
            line.name: _curve(rows, line.name, region.name, counts, metric=table1_metric(line.method))
            for line in (encoder_rows(one) if one else ())
        }
        regions = {cube.region for task in region.test for cube in task.cubes.values()}
        panels.append(
            Panel(title=region.column, counts=counts, curves=_there(curves), chance=1 / len(regions))
        )
    return panels


def _segmentation_panels(plan: Plan, rows: Sequence[Row]) -> list[Panel]:
    parts = plan.labels.microstructure
    panels: list[Panel] = []
    for half in plan.inputs.segmentation if parts else ():
        counts: dict[float, int | None] = {
            part: _count(run)
            for part, runs in parts.items()
            for run in runs
            if run.step.task == labelled(half.name, part)
        }
        counts[1.0] = image_count(half.train)
        models = dict.fromkeys(run.step.model for run in plan.microstructure if run.step.task == half.name)
        curves = {
            model: _curve(rows, model, half.name, counts, metric="f1", class_name=("average",))
            for model in models
        }
        title = f"{class_setting(half.classes)}, {half.dimensions}D"
        panels.append(Panel(title=title, counts=counts, curves=_there(curves)))
    return panels


def _semantics_panels(plan: Plan, rows: Sequence[Row], task: str) -> list[Panel]:
    runs = [run for run in plan.labels.semantics if run.step.task == task]
    counts = dict.fromkeys([*runs[0].step.fractions, 1.0])
    models = dict.fromkeys(run.step.model for run in runs)
    panels: list[Panel] = []
    for feature in plan.inputs.features:
        names = (feature, f"{feature}_px")
        curves = {
            model: _curve(rows, model, task, counts, metric="r2_cross_validated", class_name=names)
            for model in models
        }
        title = feature_name(feature)
        panels.append(Panel(title=title, counts=counts, curves=_there(curves), chance=0.0))
    return panels


def _count(run: Run) -> int:
    """Return how many images a run learns from the labels of."""
    return image_count(part.step.task for part in run.needs["train"] if isinstance(part.step, Arrays))


def _curve(
    rows: Iterable[Row],
    model: str,
    task: str,
    parts: Iterable[float],
    *,
    metric: str,
    class_name: tuple[str, ...] = ("",),
) -> dict[float, list[float]]:
    tasks = {(task if part == 1 else labelled(task, part)): part for part in parts}
    found: dict[float, list[float]] = {part: [] for part in sorted(tasks.values())}
    for row in rows:
        same = (row.model, row.metric, row.cube) == (model, metric, "") and row.class_name in class_name
        if same and row.value is not None and row.task in tasks:
            found[tasks[row.task]].append(row.value)
    return {part: values for part, values in found.items() if values}


def _there(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """Return the curves that have a point with a part of the labels."""
    return {name: curve for name, curve in curves.items() if any(part < 1 for part in curve)}


def _drawn(panels: Sequence[Panel], label: str) -> "Figure":
    from matplotlib.ticker import NullLocator

    models = list(dict.fromkeys(model for panel in panels for model in panel.curves))
    figure, grid = panel_grid(len(panels), height=2.5, sharey=label != "R2")
    for axes, panel in zip(grid.flat, panels, strict=False):
        for model, curve in panel.curves.items():
            mean = [fmean(values) for values in curve.values()]
            below = [m - min(values) for m, values in zip(mean, curve.values(), strict=True)]
            above = [max(values) - m for m, values in zip(mean, curve.values(), strict=True)]
            axes.errorbar(
                list(curve), mean, [below, above], ms=4, lw=1.3, elinewidth=0.8,
                **line_style(models.index(model)),
            )  # fmt: skip
        if panel.chance is not None:
            axes.axhline(panel.chance, color="0.5", ls=":", lw=1)
        ticks = {
            part: f"{100 * part:g} %" + ("" if count is None else f"\n{count}")
            for part, count in sorted(panel.counts.items())
        }
        axes.set_xscale("log")
        axes.set_xticks(list(ticks), list(ticks.values()))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_title(panel.title, fontsize=9)
        low = min(min(values) for curve in panel.curves.values() for values in curve.values())
        axes.set_ylim(max(LOWEST_R2, min(0, low - 0.03)), 1.02)
        axes.grid(axis="y", alpha=0.25)
        tidy(axes)
    name_axes(figure, grid, x="part of the labels", y=label)
    name_lines(figure, grid.flat[0], [model_name(model) for model in models])
    return figure
