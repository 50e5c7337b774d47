"""Compare results with the paper's, and models with each other, from folders of results alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from mtneuro_suite._shared.words import unknown_name
from mtneuro_suite.plan.rows import UNSEEDED
from mtneuro_suite.preset.model import FLOORS
from mtneuro_suite.preset.paper import CLASS_SETTINGS, Quoted, table1, table2, table3
from mtneuro_suite.report.about import About, Results
from mtneuro_suite.report.grids import Grid
from mtneuro_suite.report.names import best_mixup, model_name, table1_metric
from mtneuro_suite.report.statistics import holm, paired, summary
from mtneuro_suite.report.tissue import (
    AVERAGE,
    FEWEST,
    Estimate,
    Scores,
    cube_scores,
    every_seed,
    measured,
    paired_difference,
)
from mtneuro_suite.runs.row import Row
from mtneuro_suite.steps.held_out import HELD_OUT
from mtneuro_suite.steps.semantics import PROJECTED, RUNS

TOLERANCE = 0.05
TITLES = {
    "accuracy_whole": "Table 1, accuracy of region on whole images",
    "accuracy_corners": "Table 1, accuracy of region on the four corners",
    "balanced_accuracy_whole": "Table 1, balanced accuracy of region on whole images",
    "balanced_accuracy_corners": "Table 1, balanced accuracy of region on the four corners",
    "accuracy_corners_knn": "Table 1, accuracy of region on the four corners, by k-NN",
    "accuracy_corners_attentive": "Table 1, accuracy of region on the four corners, by attentive pooling",
    "balanced_accuracy_corners_knn": "Table 1, balanced accuracy of region on the four corners, by k-NN",
    "balanced_accuracy_corners_attentive": (
        "Table 1, balanced accuracy of region on the four corners, by attentive pooling"
    ),
    "f1": "Table 2, F1",
    "iou": "Table 2, IoU",
    "accuracy": "Table 2, accuracy of pixels",
    "balanced_accuracy": "Table 2, balanced accuracy of pixels",
    "r2_same_sample": "Table 3, R2 on the same samples, as the paper's",
    PROJECTED: "Table 3, R2 on the same samples of principal components, where encoders are too wide",
    "r2_cross_validated": "Table 3, R2 cross-validated",
    "r2_cross_validated_knn": "Table 3, R2 of k-NN cross-validated",
    HELD_OUT: "Table 3, R2 on columns of tissue that the readout was not fitted to",
    "r2_same_sample_within": "Table 3, R2 within regions on the same samples",
    "r2_cross_validated_within": "Table 3, R2 within regions cross-validated",
    "r2_null": "Table 3, R2 cross-validated that 1 in 20 permutations within cubes exceeds",
}
"""Titles by metric, in the order in which tables stand."""

_OF_TASK_2 = ("f1", "iou")
AS_TABLE_1 = "accuracy, as Table 1"
"""Whole images for supervised models, corners for all others."""

_HOW_MEASURED = (
    "Mean and sample standard deviation over seeds; 95 % interval over the tissue (cubes, or runs of slices) "
    "and the seeds together, none of fewer than 3 cubes."
)
_HOW_PAIRED = (
    "Difference: the first minus the second, with a 95 % interval and p by Student's t over the cubes and "
    "seeds that both have, crossed. p by Holm: corrected for the number of lines."
)
_NOT_BY_CUBE = (
    "Lines without cubes: not known by cube, or of fewer than 3, so without an interval; p is by exact "
    "sign-flip permutation of the seeds' differences, two-sided, and says nothing of other tissue."
)
_OF_RESULTS = ("inputs", "source", "task_files", "reading")
"""Settings of a preset that say of what data all of its results are."""

_OF_A_TASK = ("downsample", "test_z_step", "view", "resampling", "definition")
"""Settings of one of its tasks that say on what samples of them, and how large, a model is scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One number over seeds: a cell of one of our tables."""

    results: str
    column: str
    """The sub-task, or Task 2's class setting."""

    model: str
    metric: str
    class_name: str
    values: dict[int, float]
    """By seed, means over animals; those that are defined."""

    animals: int

    found: Estimate | None
    """Their mean, and its interval over tissue and seeds."""

    scores: Scores
    """What each cube adds, by seed; empty where that is not known."""

    seeded: bool
    """Whether another seed gives another value."""

    n: int
    """Samples that each value rests on."""

    data: dict[str, object]
    """Settings that say on what data the values are scored."""

    quoted: Quoted | None


def _quoted(row: Row, about: About, mixup: str | None) -> Quoted | None:
    if about.preset.get("inputs") == "tasks" or row.test_set.endswith(":val"):
        return None
    # Of the preset's own rows, the paper has those that are like one of its own.
    own = _own_rows(about, "task2" if row.metric in _OF_TASK_2 else "task1").get(row.model)
    model = row.model if own is None else str(own.get("like", ""))
    method = "supervised+mixup" if row.model == mixup else model
    if row.metric == table1_metric_of(about, row.model) and row.task in about.regions:
        column = about.regions[row.task]
        return table1(method, column.paper_column, downsample=column.downsample)
    if row.metric in _OF_TASK_2 and row.task in about.segmentation:
        setting = about.segmentation[row.task]
        heading = {**CLASS_SETTINGS.get(setting, {}), "average": "average"}.get(row.class_name, "")
        return table2(model, row.metric, setting, heading)
    if row.metric != "r2_same_sample" or row.task not in about.regions:
        return None
    return table3(method, about.regions[row.task].paper_column, row.class_name.removesuffix("_px"))


def _own_rows(about: About, task: str) -> dict[str, dict[str, Any]]:
    """Return the settings of the rows that the preset adds to the paper's methods or networks."""
    return (about.preset.get(task) or {}).get("rows", {})


def table1_metric_of(about: About, model: str) -> str:
    """Return the metric that Table 1 shows of a model."""
    own = _own_rows(about, "task1").get(model, {})
    if "folder" in own or "embeddings" in own:
        return "accuracy_corners"
    return table1_metric(str(own.get("method") or own.get("like") or model))


def _data(row: Row, about: About) -> dict[str, object]:
    """Return the settings that say on what data a number is scored."""
    found = {name: about.preset[name] for name in _OF_RESULTS if name in about.preset}
    if animals := about.preset.get("phantom_seeds"):
        found["phantom_seeds"] = animals
    task = "task2" if row.task in about.segmentation else "task3" if row.metric.startswith("r2_") else "task1"
    of_task: dict[str, Any] = about.preset.get(task) or {}
    found |= {f"{task}.{name}": of_task[name] for name in _OF_A_TASK if name in of_task}
    if task == "task3" and "z_step" in of_task:
        found["task3.z_step"] = of_task["z_step"]
    if row.task in about.regions and (task == "task1" or of_task.get("downsample") is None):
        # A preset of several factors has a column for each.
        found[f"{task}.downsample"] = about.regions[row.task].downsample
    return found


def lines(results: Results) -> list[Line]:
    """Return a folder's numbers, each over its seeds and with the paper's where it has one."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    of_cubes: dict[tuple[str, ...], list[Row]] = {}
    for row in results.rows:
        key = (row.task, row.test_set, row.model, row.metric)
        if row.metric == RUNS:
            continue
        if row.cube:
            of_cubes.setdefault((*key, AVERAGE), []).append(row)
            of_cubes.setdefault((*key, row.class_name), []).append(row)
        else:
            groups.setdefault((*key, row.class_name), []).append(row)
    mixup = best_mixup(results.rows)
    return [
        Line(
            results=results.name,
            column=results.about.segmentation.get(task, task)
            + (" validation" if test_set.endswith(":val") else ""),
            model=model,
            metric=metric,
            class_name=class_name,
            values=_by_seed(rows),
            animals=len({row.animal for row in rows}),
            found=measured([*rows, *of_cubes.get(key, ())]),
            scores=_scores(rows, of_cubes.get(key, ())),
            seeded=_seeded(model, results.about),
            n=max(row.n for row in rows),
            data=_data(rows[0], results.about),
            quoted=_quoted(rows[0], results.about, mixup),
        )
        for key, rows in groups.items()
        for task, test_set, model, metric, class_name in (key,)
    ]


def _by_seed(rows: Sequence[Row]) -> dict[int, float]:
    found: dict[int, list[float]] = {}
    for row in rows:
        if row.value is not None:
            found.setdefault(row.seed, []).append(row.value)
    return {seed: fmean(values) for seed, values in found.items()}


def _scores(rows: Sequence[Row], cubes: Sequence[Row]) -> Scores:
    """Return a number by animal, cube and seed; of several animals also one that is not known by cube."""
    found = cube_scores(cubes)
    if found or len({row.animal for row in rows}) < FEWEST:
        return found
    return {(row.animal, "", row.seed): row.value for row in rows if row.value is not None}


def _seeded(model: str, about: About) -> bool:
    """Return whether another seed gives another number of a row."""
    own = _own_rows(about, "task1").get(model, {})
    taken = "folder" in own or "embeddings" in own
    return not taken and own.get("method", model) not in (*UNSEEDED, *FLOORS)


def paper_grids(results: Sequence[Results], *, tolerance: float = TOLERANCE) -> list[Grid]:
    """Return our numbers over seeds with the paper's beside them, a grid a metric.

    A number is judged only where the folder's results are of the paper's volume with the paper's
    settings: ``reproduced`` if our mean is within ``tolerance`` of the paper's, else ``differs``;
    elsewhere the verdict is ``not judged``, and a note says why.

    Parameters
    ----------
    results
        From :func:`mtneuro_suite.report.about.read_results`.
    tolerance
        Largest difference of a reproduction.

    Raises
    ------
    ValueError
        If the tolerance is negative.
    """
    if tolerance < 0:
        raise ValueError(f"tolerance must be 0 or more, got {tolerance}")
    judged = {one.name: not one.about.caveat for one in results}
    found = [line for one in results for line in lines(one)]
    measured = dict.fromkeys(line.metric for line in found)
    metrics = dict.fromkeys(metric for metric in (*TITLES, *measured) if metric in measured)
    notes = _notes(results, tolerance)
    several = len(results) > 1
    grids: list[Grid] = []
    for metric in metrics:
        rows = [
            (line.results if several else None, *_paper_row(line, judged[line.results], tolerance))
            for line in found
            if line.metric == metric
        ]
        grid = Grid(
            title=TITLES.get(metric, metric),
            columns=(
                "results", "task", "class", "model", "animals", "seeds", "mean", "sd", "95 % low",
                "95 % high", "paper", "paper sd", "ours - paper", "verdict",
            ),
            rows=tuple(rows),
            notes=notes,
            digits={"paper": 2, "paper sd": 3},
        )  # fmt: skip
        grids.append(grid.without_empty_columns())
    return grids


def _paper_row(line: Line, judged: bool, tolerance: float) -> tuple[str | int | float | None, ...]:
    animals = line.animals if line.animals > 1 else None
    key = (line.column, line.class_name, model_name(line.model), animals, len(line.values))
    quoted = (None, None) if line.quoted is None else (line.quoted.mean, line.quoted.sd)
    if not line.values:
        return (*key, None, None, None, None, *quoted, None, None)
    ours, ends = summary(list(line.values.values())), line.found and line.found.share
    difference = None if line.quoted is None else ours.mean - line.quoted.mean
    verdict = None
    if difference is not None:
        # Rounding must not fail a difference of just the tolerance.
        verdict = "reproduced" if abs(difference) <= tolerance + 1e-9 else "differs"
        verdict = verdict if judged else "not judged"
    return (*key, ours.mean, ours.sd, *(ends or (None, None)), *quoted, difference, verdict)


def _notes(results: Sequence[Results], tolerance: float) -> tuple[str, ...]:
    notes = [_HOW_MEASURED]
    for one in results:
        if one.about.caveat:
            name = f"{one.name}: " if len(results) > 1 else ""
            notes.append(f"{name}{one.about.caveat}")
        else:
            notes.append(
                f"{one.name}: the paper's volume and settings; reproduced means within {tolerance:g} of the "
                "paper's mean."
            )
    return tuple(notes)


def _row_lines(results: Sequence[Results], name: str) -> dict[tuple[str, str, str], Line]:
    """Return a row's numbers by column, metric and class."""
    having = {one.name: sorted({row.model for row in one.rows}) for one in results}
    folder, colon, model = name.partition(":")
    # A model's own name may have a colon too.
    if not colon or any(name in models for models in having.values()):
        folder, model = "", name
    if folder and folder not in having:
        raise ValueError(unknown_name("results", folder, having))
    homes = [one for one, models in having.items() if model in models and folder in {"", one}]
    if not homes:
        known = sorted({model for one in having if folder in {"", one} for model in having[one]})
        raise ValueError(unknown_name("a row", model, known))
    if len(homes) > 1:
        choices = " or ".join(f"{home}:{model}" for home in homes)
        raise ValueError(f"{model!r} is in several results; say which: {choices}")
    chosen = next(one for one in results if one.name == homes[0])
    found: dict[tuple[str, str, str], Line] = {}
    for line in lines(chosen):
        if line.model == model:
            found[line.column, line.metric, line.class_name] = line
            if line.metric == table1_metric_of(chosen.about, model):
                found[line.column, AS_TABLE_1, line.class_name] = line
    return found


def paired_grid(results: Sequence[Results], first: str, second: str) -> Grid:
    """Return how two rows differ over the seeds that both have, a line a number that both have.

    Numbers of other data, of other samples or of images of another size are not paired; a note names them.

    Parameters
    ----------
    results
        From :func:`mtneuro_suite.report.about.read_results`.
    first, second
        Models as their results name them, ``byol``, or ``demo:byol`` where several results have one.

    Raises
    ------
    ValueError
        If a row is unknown or in several results, or the two have no number in common, or none that is scored
        on the same data.
    """
    ours, others = (_row_lines(results, name) for name in (first, second))
    shared = [key for key in ours if key in others and _share_a_seed(ours[key], others[key])]
    # Where both are scored on corners, Table 1's accuracy is that line again.
    shared = [
        (column, metric, name)
        for column, metric, name in shared
        if metric != AS_TABLE_1 or ours[column, metric, name].metric != others[column, metric, name].metric
    ]
    if not shared:
        raise ValueError(f"{first} and {second} have no task, metric and seed in common to be paired on")
    unpaired = {key: why for key in shared if (why := _differing(ours[key], others[key], metric=key[1]))}
    if len(unpaired) == len(shared):
        raise ValueError(
            f"{first} and {second} must be scored on the same data to be paired, and differ in "
            f"{'; '.join(dict.fromkeys(unpaired.values()))}"
        )
    pairs = [(key, ours[key], others[key]) for key in shared if key not in unpaired]
    body, notes = _paired_lines(pairs)
    grid = Grid(
        title=f"{first} against {second}",
        columns=("task", "metric", "class", *_PAIRED[:3], first, second, *_PAIRED[3:]),
        rows=body,
        notes=(*notes, *_not_paired(unpaired)),
        digits=_DIGITS,
    )
    return grid.without_empty_columns()


_PAIRED = ("animals", "cubes", "seeds", "difference", "95 % low", "95 % high", "p", "p by Holm")
_DIGITS = {"p": 4, "p by Holm": 4}

_HEADLINES = {
    AS_TABLE_1: "Table 1, accuracy of region",
    "f1": "Table 2, F1",
    "r2_cross_validated": "Table 3, R2 cross-validated",
}
"""What is set beside a record, by metric."""

_STAND_INS = {"f1": "unet"}
_STAND_IN = "byol"
"""The record's row beside which a row is set that it does not have: fixed, and not the best of them."""


def against_grids(results: Sequence[Results], reference: Results) -> list[Grid]:
    """Return how the rows of some results differ from those of a record, paired over cubes and seeds.

    A row is set beside the record's of the same name; one that it does not have beside its BYOL, a network
    beside its U-Net. Numbers of other data, other samples or images of another size are not paired; a note
    names them.

    Parameters
    ----------
    results
        From :func:`mtneuro_suite.report.about.read_results`.
    reference
        From :func:`mtneuro_suite.report.record.read_record`.

    Raises
    ------
    ValueError
        If nothing can be paired.
    """
    theirs = {(line.model, *_headline(line, reference.about)): line for line in lines(reference)}
    grids: list[Grid] = []
    unpaired: dict[tuple[str, ...], str] = {}
    for metric, heading in _HEADLINES.items():
        pairs: list[tuple[tuple[str, ...], Line, Line]] = []
        for one in results:
            for line in lines(one):
                column, headline, class_name = _headline(line, one.about)
                if headline != metric:
                    continue
                names = (line.model, _STAND_INS.get(metric, _STAND_IN))
                found = ((name, theirs.get((name, column, metric, class_name))) for name in names)
                beside, other = next(((name, each) for name, each in found if each), ("", None))
                if other is None or not _share_a_seed(line, other):
                    continue
                if why := _differing(line, other, metric=metric):
                    unpaired[column, line.model] = why
                    continue
                ours = f"{one.name}:{line.model}" if len(results) > 1 else line.model
                pairs.append(((column, class_name, ours, beside), line, other))
        if not pairs:
            continue
        body, notes = _paired_lines(pairs)
        head = ("task", "class", "row", reference.name, *_PAIRED[:3], "ours", "theirs", *_PAIRED[3:])
        title = f"{heading}: ours against {reference.name}"
        grid = Grid(title=title, columns=head, rows=body, notes=notes, digits=_DIGITS)
        grids.append(grid.without_empty_columns())
    told = _not_paired(unpaired)
    if not grids:
        raise ValueError(
            f"nothing can be paired with {reference.name}. "
            + (told[0] if told else "No task, metric and seed are in common.")
        )
    return [replace(grid, notes=(*grid.notes, *told)) for grid in grids]


def _headline(line: Line, about: About) -> tuple[str, str, str]:
    """Return a number's column, metric and class; the metric of Table 1 is one whatever it is scored on."""
    of_table_1 = line.metric == table1_metric_of(about, line.model)
    return line.column, AS_TABLE_1 if of_table_1 else line.metric, line.class_name


def _paired_lines(
    pairs: Sequence[tuple[tuple[str, ...], Line, Line]],
) -> tuple[tuple[tuple[str | int | float | None, ...], ...], tuple[str, ...]]:
    """Return a line for each pair of numbers, behind what it is called, and what is to be said of them."""
    rows: list[tuple[str | int | float | None, ...]] = []
    few: set[int] = set()
    by_seed = unlike = False
    for key, one, other in pairs:
        pair = _pair(one, other)
        unlike |= one.n != other.n
        if pair.tissue is None:
            by_seed = True
            few.add(pair.seeds)
        rows.append((*key, *pair.cells))
    tested = [row[-1] for row in rows if isinstance(row[-1], float)]
    corrected = iter(holm(tested))
    body = tuple((*row, next(corrected) if isinstance(row[-1], float) else None) for row in rows)
    notes = (
        _HOW_PAIRED,
        *([_NOT_BY_CUBE] if by_seed else []),
        *_too_few(few),
        *(["In some lines the two are scored on different numbers of samples."] if unlike else []),
    )
    return body, notes


def _not_paired(unpaired: Mapping[tuple[str, ...], str]) -> list[str]:
    told = [f"{' '.join(filter(None, key))} ({why})" for key, why in unpaired.items()]
    return [f"Not paired, because not scored on the same data: {', '.join(told)}."] if told else []


def _share_a_seed(ours: Line, others: Line) -> bool:
    """Return whether two numbers have a seed in common, or one of them would be the same with any."""
    if not ours.values or not others.values:
        return False
    return not (ours.seeded and others.seeded) or bool(ours.values.keys() & others.values.keys())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """How two numbers differ."""

    first: float
    second: float
    difference: float
    p: float | None
    seeds: int
    tissue: Estimate | None
    """Over cubes and seeds, where there are cubes enough."""

    @property
    def cells(self) -> tuple[int | float | None, ...]:
        """Animals, cubes, seeds, both, their difference, its interval and p."""
        tissue = self.tissue
        ends = (tissue and tissue.ends) or (None, None)
        animals = tissue.animals if tissue is not None and tissue.animals > 1 else None
        cubes = tissue.cubes if tissue is not None and tissue.cubes > tissue.animals else None
        return (animals, cubes, self.seeds, self.first, self.second, self.difference, *ends, self.p)


def _pair(ours: Line, others: Line) -> _Pair:
    """Return how two numbers differ over cubes and seeds, or over seeds where they are not known by cube."""
    a, b = ours.values, others.values
    scores, theirs = ours.scores, others.scores
    # What draws nothing would score the same with each of the other's seeds.
    if not others.seeded and len(b) == 1:
        b, theirs = dict.fromkeys(a, *b.values()), every_seed(theirs, scores)
    elif not ours.seeded and len(a) == 1:
        a, scores = dict.fromkeys(b, *a.values()), every_seed(scores, theirs)
    by_seed = paired(a, b)
    tissue = paired_difference(scores, theirs)
    tissue = tissue if tissue is not None and tissue.cubes >= FEWEST else None
    seeds = by_seed.difference.n
    p = tissue.p if tissue is not None else by_seed.p if seeds > 1 else None
    return _Pair(
        first=by_seed.first,
        second=by_seed.second,
        difference=by_seed.difference.mean,
        p=p,
        seeds=seeds,
        tissue=tissue,
    )


def _differing(ours: Line, others: Line, *, metric: str) -> str:
    """Return in what the data differ that two numbers are scored on, or nothing where they may be paired."""
    names = dict.fromkeys([*ours.data, *others.data])
    values = {name: (ours.data.get(name), others.data.get(name)) for name in names}
    told = [f"{name} ({a} and {b})" for name, (a, b) in values.items() if a != b]
    # Table 1 sets whole images beside their corners.
    if ours.n != others.n and metric != AS_TABLE_1:
        told.append(f"samples ({ours.n} and {others.n})")
    return ", ".join(told)


def _too_few(pairs: set[int]) -> list[str]:
    notes: list[str] = []
    for n in sorted(pairs):
        if n == 1:
            notes.append("One shared seed: a difference without an interval or a p.")
        elif 2.0 ** (1 - n) > 0.05:
            notes.append(
                f"{n} shared seeds are too few for 0.05: p cannot be below {2.0 ** (1 - n):g}; 6 can."
            )
    return notes
