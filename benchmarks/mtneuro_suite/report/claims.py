"""Say of each claim of the paper whether the results reproduce it, with numbers and intervals."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from mtneuro_suite.plan.inputs import RegionInput
from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.plan.rows import encoder_rows
from mtneuro_suite.report.findings import accuracy_by_cube
from mtneuro_suite.report.names import best_mixup, feature_name, model_name
from mtneuro_suite.report.tissue import Compared, Scores, compared, every_seed, measured
from mtneuro_suite.runs.row import Row
from mtneuro_suite.steps.held_out import HELD_OUT

Verdict = Literal["reproduced", "not reproduced", "not resolved"]

SELF_SUPERVISED, SUPERVISED, CLASSICAL = "self-supervised", "supervised", "classical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One of the paper's claims, and what the results say of it."""

    text: str
    verdict: Verdict
    numbers: str
    """What the verdict rests on."""

    def __str__(self) -> str:
        return f"{self.text}: {self.verdict}. {self.numbers}."


def claims(plan: Plan, rows: Sequence[Row]) -> list[Claim]:
    """Return the paper's claims on whose rows there are results, each with a verdict.

    A claim is reproduced where every difference that it names has a 95 % interval above 0, not reproduced
    where one has it below 0, and else not resolved. Accuracies are means over the rows of a family, cube by
    cube and seed by seed.

    Parameters
    ----------
    plan
        What was run. Tasks of one's own have no claim of the paper's.
    rows
        Its rows, those of single cubes among them.
    """
    if plan.preset.inputs == "tasks":
        return []
    of_regions = _Regions.of(plan, rows)
    found = [
        _shift(of_regions),
        _labels(of_regions),
        _components(of_regions),
        _semantics(plan, rows, of_regions),
    ]
    return [claim for claim in found if claim]


@dataclass(frozen=True, slots=True)
class _Regions:
    """The rows of each family, and the columns of slices by the paper's."""

    rows: Sequence[Row]
    families: dict[str, list[str]]
    seeded: frozenset[str]
    columns: dict[str, RegionInput]

    @classmethod
    def of(cls, plan: Plan, rows: Sequence[Row]) -> "_Regions":
        """Return them of a plan; of mixup's probabilities the best alone."""
        trained = [run.step.train for run in plan.encoders if not run.step.taken]
        family = {train.method: train.entry.family for train in trained}
        lines = encoder_rows(plan.preset.task1) if plan.preset.task1 else []
        best = best_mixup(rows)
        kept = [line for line in lines if line.method != "supervised+mixup" or line.name == best]
        families: dict[str, list[str]] = {}
        for line in kept:
            families.setdefault(family.get(line.method, ""), []).append(line.name)
        columns: dict[str, RegionInput] = {}
        for region in plan.inputs.scored_regions:
            if region.table == "1" and region.depth == 1:
                columns.setdefault(region.paper_column, region)
        return cls(rows, families, frozenset(line.name for line in kept if line.seeded), columns)

    def scores(self, families: Iterable[str], columns: Sequence[RegionInput]) -> tuple[str, Scores]:
        """Return the rows of some families that have results, and their mean accuracy by cube and seed."""
        named = [name for family in families for name in self.families.get(family, ())]
        each = {name: found for name in named if (found := accuracy_by_cube(self.rows, name, columns))}
        drawn = next((found for name, found in each.items() if name in self.seeded), None)
        alike = [
            found if drawn is None or name in self.seeded else every_seed(found, drawn)
            for name, found in each.items()
        ]
        shared = set[tuple[str, str, int]].intersection(*(set(found) for found in alike)) if alike else set()
        mean = {key: fmean(found[key] for found in alike) for key in sorted(shared)}
        return _listed(map(model_name, each)), mean


def _listed(names: Iterable[str]) -> str:
    *first, last = [*names] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _verdict(differences: Iterable[Compared]) -> Verdict:
    apart = [one.difference for one in differences]
    if all(one.resolved and one.mean > 0 for one in apart):
        return "reproduced"
    return "not reproduced" if any(one.resolved and one.mean < 0 for one in apart) else "not resolved"


def _shift(found: _Regions) -> Claim | None:
    """Return whether other cubes are harder, and more training data makes them easier again."""
    first, second, third = (found.columns.get(f"roi-c{number}") for number in (1, 2, 3))
    if first is None or second is None:
        return None
    learnt = (SELF_SUPERVISED, SUPERVISED)
    pairs = [(first, second), *([(third, second)] if third is not None else [])]
    numbers: list[str] = []
    apart: list[Compared] = []
    who = ""
    for easier, harder in pairs:
        who, ours = found.scores(learnt, [easier])
        difference = compared(ours, found.scores(learnt, [harder])[1])
        if difference is None:
            return None
        apart.append(difference)
        numbers.append(f"{easier.column} against {harder.column} {difference}")
    text = "Regions are harder to read in other cubes than those of training (ROI-C1 > ROI-C2)"
    if third is not None:
        text += ", and easier again with more of them (ROI-C2 < ROI-C3)"
    return Claim(text=text, verdict=_verdict(apart), numbers=f"{who}: {'; '.join(numbers)}")


def _labels(found: _Regions) -> Claim | None:
    """Return whether learning without labels does better than with them in ROI-C3."""
    column = found.columns.get("roi-c3")
    if column is None:
        return None
    text = "Self-supervised methods read regions better than supervised ones in ROI-C3"
    return _families(found, text, SUPERVISED, [column])


def _components(found: _Regions) -> Claim | None:
    """Return whether learning without labels does better than PCA and NMF."""
    text = "Self-supervised methods read regions better than PCA and NMF"
    return _families(found, text, CLASSICAL, [*found.columns.values()])


def _families(found: _Regions, text: str, other: str, columns: Sequence[RegionInput]) -> Claim | None:
    (who, ours), (whom, theirs) = (found.scores([family], columns) for family in (SELF_SUPERVISED, other))
    if not {*found.families.get(other, ())} & found.seeded:
        theirs = every_seed(theirs, ours)
    difference = compared(ours, theirs)
    if difference is None:
        return None
    where = _listed(column.column for column in columns)
    return Claim(
        text=text, verdict=_verdict([difference]), numbers=f"{who} against {whom} in {where}: {difference}"
    )


def _semantics(plan: Plan, rows: Sequence[Row], found: _Regions) -> Claim | None:
    """Return whether features are read off frozen embeddings, on slices that no readout was fitted to."""
    names = found.families.get(SELF_SUPERVISED, [])
    task = next((run.step.task for run in plan.semantics if run.step.model in names), None)
    metric, how = "r2_cross_validated", "cross-validated"
    if plan.inputs.semantics_learnt:
        metric, how = HELD_OUT, "on columns of tissue that neither encoder nor readout saw"
        task = next((run.step.task for run in reversed(plan.semantics) if run.step.model in names), None)
    if task is None:
        return None
    told: dict[str, list[str]] = {"tells": [], "worse than the mean": [], "not resolved": []}
    key = (names[0], metric, task)
    ours = [row for row in rows if (row.model, row.metric, row.task) == key]
    for feature in dict.fromkeys(row.class_name for row in ours):
        score = measured([row for row in ours if row.class_name == feature])
        if score is not None:
            low, high = score.ends or (0.0, 0.0)
            what = "tells" if low > 0 else "worse than the mean" if high < 0 else "not resolved"
            told[what].append(f"{feature_name(feature)} {score.text}")
    features = sum(map(len, told.values()))
    if not features:
        return None
    verdict: Verdict = "not resolved"
    if len(told["tells"]) == features:
        verdict = "reproduced"
    elif not told["tells"] and told["worse than the mean"]:
        verdict = "not reproduced"
    parts = (f"{what}: {', '.join(texts)}" for what, texts in told.items() if texts)
    return Claim(
        text=f"Semantic features are read off frozen embeddings (R2 above 0, {how})",
        verdict=verdict,
        numbers=f"{model_name(names[0])} {'; '.join(parts)}",
    )
