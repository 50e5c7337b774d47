"""Say in a few sentences what the tables hold, each with its interval over the tissue."""

from collections.abc import Sequence

from mtneuro_suite.plan.inputs import RegionInput
from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.plan.rows import encoder_rows
from mtneuro_suite.preset.model import FLOORS
from mtneuro_suite.report.names import feature_name, model_name, table1_metric
from mtneuro_suite.report.tissue import (
    AVERAGE,
    Scores,
    compared,
    cube_scores,
    every_seed,
    measured,
)
from mtneuro_suite.runs.row import Row
from mtneuro_suite.steps.held_out import HELD_OUT

MOST = 5
"""Findings that are told."""


def findings(plan: Plan, rows: Sequence[Row]) -> list[str]:
    """Return what was found, a sentence each; which sentences there are depends on the plan, not on results.

    The first method that learns without labels is compared with the untrained encoder and with what learns
    with labels, and sub-tasks with one another; then come Tasks 2 and 3. A difference whose 95 % interval
    holds 0 is not resolved. Intervals are over cubes and seeds together, paired where these are the same: see
    :mod:`mtneuro_suite.report.tissue`.

    Parameters
    ----------
    plan
        What was run.
    rows
        Its rows, those of single cubes among them.
    """
    regions = _of_regions(plan, rows)
    first = [*regions[:3], _of_segmentation(plan, rows), _of_features(plan, rows)]
    return [text for text in (*first, *regions[3:]) if text][:MOST]


def accuracy_by_cube(rows: Sequence[Row], model: str, columns: Sequence[RegionInput]) -> Scores:
    """Return a model's accuracy by cube and seed, over some columns of Table 1."""
    names, metric = {region.name for region in columns}, table1_metric(model)
    return cube_scores(
        row for row in rows if row.model == model and row.metric == metric and row.task in names
    )


def _of_regions(plan: Plan, rows: Sequence[Row]) -> list[str]:
    """Return the findings of Task 1, on columns of slices; empty where there is no number."""
    one = plan.preset.task1
    columns = [region for region in plan.inputs.scored_regions if region.table == "1" and region.depth == 1]
    columns = [region for region in columns if region.downsample == columns[0].downsample]
    learnt = {
        run.step.train.method
        for run in plan.encoders
        if not run.step.taken and run.step.train.entry.family == "self-supervised"
    }
    lines = encoder_rows(one) if one else []
    learner = next((line.name for line in lines if line.method in learnt), None)
    if one is None or not columns or learner is None:
        return []
    scored = [region for region in columns if region.trained_in == columns[0].trained_in]
    where = " and ".join(region.column for region in scored)

    seeded = {line.name for line in lines if line.seeded}

    def against(name: str) -> str:
        first, second = (accuracy_by_cube(rows, model, scored) for model in (learner, name))
        second = second if name in seeded else every_seed(second, first)
        sentence = f"{model_name(learner)} reads the region {{}} {_called(name)} in {where}"
        return _told_apart(sentence, first, second)

    def beside(harder: RegionInput, easier: RegionInput) -> str:
        pair = (accuracy_by_cube(rows, learner, [region]) for region in (harder, easier))
        return _told_apart(f"{model_name(learner)} reads {harder.column} {{}} {easier.column}", *pair)

    others = {line.method: line.name for line in lines if line.method in ("untrained", "supervised")}
    steps = [beside(*pair) for pair in zip(columns[1:], columns, strict=False)]
    return [
        *(against(others[method]) if method in others else "" for method in ("untrained", "supervised")),
        *(steps[:1] or [""]),
        *map(against, reversed(one.floors)),
        *steps[1:],
    ]


def _called(name: str) -> str:
    return (
        "an untrained encoder"
        if name == "untrained"
        else f"the {model_name(name)}"
        if name in FLOORS
        else model_name(name)
    )


def _told_apart(sentence: str, first: Scores, second: Scores) -> str:
    """Return a sentence on two accuracies, or nothing where one is not there."""
    found = compared(first, second)
    if found is None:
        return ""
    if found.difference.resolved:
        how = "better than" if found.difference.mean > 0 else "worse than"
        return f"{sentence.format(how)}: {found}."
    return f"Not resolved: whether {sentence.format('better or worse than')}; {found}."


def _of_segmentation(plan: Plan, rows: Sequence[Row]) -> str:
    """Return the first network's F1 in the first class setting: of all classes, and of the hardest."""
    two = plan.preset.task2
    half = next(iter(plan.inputs.segmentation), None)
    if two is None or half is None or not two.models:
        return ""
    key = (two.models[0], "f1", half.name)
    ours = [row for row in rows if (row.model, row.metric, row.task) == key]
    classes = dict.fromkeys(row.class_name for row in ours if row.class_name != AVERAGE)
    found = {name: measured([row for row in ours if row.class_name == name]) for name in classes}
    known = {name: one for name, one in found.items() if one is not None}
    average = measured([row for row in ours if row.cube or row.class_name == AVERAGE])
    if average is None or not known:
        return ""
    worst = min(known, key=lambda name: known[name].mean)
    return (
        f"{model_name(two.models[0])} finds structures with a mean F1 of {average.text}, and "
        f"{worst} worst of all: {known[worst].text}."
    )


def _of_features(plan: Plan, rows: Sequence[Row]) -> str:
    """Return what the first half of Table 3 tells of features within regions, by the method that is drawn."""
    three = plan.preset.task3
    if three is None or not plan.semantics:
        return ""
    metric, task, where = "r2_cross_validated_within", plan.semantics[0].step.task, "within regions"
    if plan.inputs.semantics_learnt:
        # The encoder of the same tissue, whose columns come last.
        metric, task, where = HELD_OUT, plan.semantics[-1].step.task, "on columns that it has not seen"
    key = (three.umap_method[0], metric, task)
    within = [row for row in rows if (row.model, row.metric, row.task) == key]
    features = dict.fromkeys(row.class_name for row in within)
    found = {name: measured([row for row in within if row.class_name == name]) for name in features}
    known = {feature_name(name): one for name, one in found.items() if one is not None}
    if not known:
        return ""
    told = [f"{name} {one.text}" for name, one in known.items() if one.ends and one.ends[0] > 0]
    rest = [name for name, one in known.items() if not one.ends or one.ends[0] <= 0]
    start = f"{where} {model_name(three.umap_method[0])} tells {', '.join(told)} (R2)" if told else ""
    ending = f"not resolved {where}: {', '.join(rest)}" if rest else ""
    text = "; ".join(filter(None, (start, ending)))
    return f"{text[0].upper()}{text[1:]}."
