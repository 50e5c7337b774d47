"""Say in a few sentences what the tables hold, each with its interval over the tissue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from mtneuro_suite.plan.inputs import RegionInput
from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.plan.rows import encoder_rows
from mtneuro_suite.preset.model import FLOORS
from mtneuro_suite.report.names import feature_name, model_name, table1_metric
from mtneuro_suite.report.statistics import interval_text, share_text
from mtneuro_suite.runs.row import Row

MOST = 5
"""Findings that are told."""

FEWEST = 3
"""Cubes that an interval needs."""

Cubes = Mapping[str, float]
"""An accuracy by cube, the mean over seeds."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference, with its 95 % interval where there are cubes enough."""

    mean: float
    ends: tuple[float, float] | None
    cubes: int

    @property
    def resolved(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.ends is not None and not self.ends[0] <= 0 <= self.ends[1]

    def __str__(self) -> str:
        ends = f" {interval_text(self.ends)}" if self.ends else ""
        return f"difference {share_text(self.mean)}{ends} over {self.cubes} cubes"


def findings(plan: Plan, rows: Sequence[Row]) -> list[str]:
    """Return what was found, a sentence each; which sentences there are depends on the plan, not on results.

    The first method that learns without labels is compared with the untrained encoder and with what learns
    with labels, and sub-tasks with one another; then come Tasks 2 and 3. A difference whose 95 % interval
    holds 0 is not resolved. Intervals of differences are Student's over cubes, paired where the cubes are the
    same, and Welch's where not.

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


def paired_over_cubes(first: Cubes, second: Cubes) -> Difference | None:
    """Return the first less the second over the cubes of both, or None where they share none.

    Examples
    --------
    >>> found = paired_over_cubes({"A": 0.9, "B": 0.8, "C": 0.7}, {"A": 0.7, "B": 0.7, "C": 0.4})
    >>> round(found.mean, 3), found.resolved, str(found)
    (0.2, False, 'difference .20 [-.05, .45] over 3 cubes')
    """
    away = [first[cube] - second[cube] for cube in first if cube in second]
    if not away:
        return None
    ends = None
    if len(away) >= FEWEST and (spread := stdev(away)) > 1e-12:
        ends = _student(fmean(away), spread / sqrt(len(away)), len(away) - 1)
    return Difference(fmean(away), ends, len(away))


def unpaired_over_cubes(first: Cubes, second: Cubes) -> Difference | None:
    """Return the mean of the first less that of the second, of other cubes, or None where one has none.

    B. L. Welch (1947), The generalization of "Student's" problem when several different population variances
    are involved, Biometrika 34, 28-35.
    """
    if not first or not second:
        return None
    away = fmean(first.values()) - fmean(second.values())
    ends = None
    if min(len(first), len(second)) >= FEWEST:
        a, b = (stdev(cubes.values()) ** 2 / len(cubes) for cubes in (first, second))
        if a + b > 1e-24:
            freedom = (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))
            ends = _student(away, sqrt(a + b), freedom)
    return Difference(away, ends, len(first) + len(second))


def _student(mean: float, error: float, freedom: float) -> tuple[float, float]:
    from scipy.special import stdtrit

    half = float(stdtrit(freedom, 0.975)) * error
    return mean - half, mean + half


def _of_cubes(rows: Sequence[Row], model: str, columns: Sequence[RegionInput]) -> Cubes:
    """Return a model's accuracy by cube, over some columns of Table 1 and all seeds."""
    names, metric = {region.name for region in columns}, table1_metric(model)
    found: dict[str, list[float]] = {}
    for row in rows:
        ours = row.cube and row.model == model and row.metric == metric and row.task in names
        if ours and row.value is not None:
            found.setdefault(row.cube, []).append(row.value)
    return {cube: fmean(values) for cube, values in found.items()}


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

    def against(name: str) -> str:
        pair = (_of_cubes(rows, model, scored) for model in (learner, name))
        return _compared(f"{model_name(learner)} reads the region {{}} {_called(name)} in {where}", *pair)

    def beside(harder: RegionInput, easier: RegionInput) -> str:
        pair = (_of_cubes(rows, learner, [region]) for region in (harder, easier))
        return _compared(f"{model_name(learner)} reads {harder.column} {{}} {easier.column}", *pair)

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


def _compared(sentence: str, first: Cubes, second: Cubes) -> str:
    """Return a sentence on two accuracies, or nothing where one is not there."""
    shared = first.keys() & second.keys()
    found = (paired_over_cubes if shared else unpaired_over_cubes)(first, second)
    if found is None:
        return ""
    if shared:
        first, second = ({cube: cubes[cube] for cube in sorted(shared)} for cubes in (first, second))
    numbers = f"{share_text(fmean(first.values()))} against {share_text(fmean(second.values()))}, {found}."
    if found.resolved:
        return f"{sentence.format('better than' if found.mean > 0 else 'worse than')}: {numbers}"
    return f"Not resolved: whether {sentence.format('better or worse than')}; {numbers}"


def _of_segmentation(plan: Plan, rows: Sequence[Row]) -> str:
    """Return the first network's F1 in the first class setting: of all classes, and of the hardest."""
    two = plan.preset.task2
    half = next(iter(plan.inputs.segmentation), None)
    if two is None or half is None or not two.models:
        return ""
    found = {
        row.class_name: row
        for row in rows
        if (row.model, row.metric, row.task, row.seed)
        == (two.models[0], "f1", half.name, plan.preset.seeds[0])
        and row.value is not None
    }
    average = found.pop("average", None)
    if average is None or not found:
        return ""
    worst = min(found.values(), key=lambda row: row.value or 0)
    return (
        f"{model_name(two.models[0])} finds structures with a mean F1 of {_told(average)}, and "
        f"{worst.class_name} worst of all: {_told(worst)}."
    )


def _of_features(plan: Plan, rows: Sequence[Row]) -> str:
    """Return what the first half of Table 3 tells of features within regions, by the method that is drawn."""
    three = plan.preset.task3
    if three is None or not plan.semantics:
        return ""
    task = plan.semantics[0].step.task
    model = three.umap_method[0]
    within = [
        row
        for row in rows
        if (row.model, row.metric, row.task) == (model, "r2_cross_validated_within", task)
        and row.value is not None
        and row.seed == plan.preset.seeds[0]
    ]
    if not within:
        return ""
    told = [
        f"{feature_name(row.class_name)} {_told(row)}"
        for row in within
        if row.low is not None and row.low > 0
    ]
    rest = [feature_name(row.class_name) for row in within if row.low is None or row.low <= 0]
    start = f"Within regions {model_name(model)} tells {', '.join(told)} (R2)" if told else ""
    ending = f"not resolved within regions: {', '.join(rest)}" if rest else ""
    text = "; ".join(filter(None, (start, ending)))
    return f"{text[0].upper()}{text[1:]}."


def _told(row: Row) -> str:
    """Return a value, and its interval where there is one."""
    ends = "" if row.low is None or row.high is None else f" {interval_text((row.low, row.high))}"
    return f"{share_text(row.value or 0)}{ends}"
