"""Compare with the numbers of the paper's appendix: class proportions, and how long a training takes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mtneuro_suite.plan.inputs import RegionInput
from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.preset.paper import class_proportion, training_hours
from mtneuro_suite.report.names import model_name
from mtneuro_suite.report.tables import Cell, Table
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import Store
from mtneuro_suite.steps import Arrays, Encoder
from mtneuro_suite.steps.reading import joined_arrays


def appendix_tables(plan: Plan, store: Store) -> list[Table]:
    """Return the tables of what the appendix prints and finished runs tell, for the paper's own cubes."""
    if plan.preset.inputs != "paper":
        return []
    tables = (class_proportions_table(plan, store), training_hours_table(plan, store))
    return [table for table in tables if table is not None]


def class_proportions_table(plan: Plan, store: Store) -> Table | None:
    """Return the share of each class by region, or None where no labelled slices are loaded."""
    parts = () if plan.features is None else plan.features.needs["samples"]
    if not parts or not all(map(store.done, parts)):
        return None
    data = joined_arrays([store.folder(part) for part in parts])
    everywhere = replace(data, region=np.zeros_like(data.region), region_names=("total",))
    shares = data.class_shares() | everywhere.class_shares()
    if not shares:
        return None
    return Table(
        title="Class proportions (appendix, 4.2.3)",
        corner="region",
        papers_data=plan.inputs.papers_data,
        columns=data.class_names,
        rows=tuple(
            (
                region,
                tuple(
                    Cell((100 * share,), class_proportion(region, name)) for name, share in of_region.items()
                ),
            )
            for region, of_region in shares.items()
        ),
        notes=("Percent of the voxels of Task 3's labelled slices.",),
    )


def training_hours_table(plan: Plan, store: Store) -> Table | None:
    """Return the hours of a self-supervised training by method and sub-task, or None where there is none."""
    trained = [region for region in plan.inputs.regions if region.trained_in == region.name]
    hours: dict[str, dict[str, list[float]]] = {}
    devices: dict[str, None] = {}
    for run in filter(store.done, plan.encoders):
        if run.step.taken or run.step.train.entry.family != "self-supervised":
            continue
        made = store.result(run)["provenance"]
        devices[str(made["device"])] = None
        row = run.title.removeprefix("train ").rpartition(" on ")[0]
        region = _region(run, trained)
        hours.setdefault(row, {}).setdefault(region.name, []).append(made["seconds"] / 3600)
    if not hours:
        return None
    return Table(
        title="Hours of a self-supervised training (appendix, 3.3)",
        corner="method",
        papers_data=plan.inputs.papers_data,
        columns=tuple(region.column for region in trained),
        rows=tuple(
            (
                model_name(row),
                tuple(
                    Cell(
                        tuple(found.get(region.name, ())),
                        training_hours(row, region.paper_column, downsample=region.downsample),
                        form=".2g",
                    )
                    for region in trained
                ),
            )
            for row, found in hours.items()
        ),
        notes=(f"The paper's: on an RTX 3090, 100 epochs. Ours: on {', '.join(devices)}.",),
    )


def _region(run: Run[Encoder], trained: Sequence[RegionInput]) -> RegionInput:
    """Return the sub-task on whose images an encoder is trained."""
    tasks = tuple(part.step.task for part in run.needs["train"] if isinstance(part.step, Arrays))
    return next(region for region in trained if region.train == tasks)
