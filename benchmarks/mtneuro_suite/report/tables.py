"""Build the paper's tables from rows of results, our numbers beside the paper's."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from mtneuro_seg import paper_settings

from mtneuro_suite.plan.costs import image_count
from mtneuro_suite.plan.inputs import RegionInput, SegmentationInput
from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.plan.points import label_source
from mtneuro_suite.plan.rows import (
    COUNTS,
    POINTS,
    TableRow,
    encoder_rows,
    floor_rows,
    frozen_rows,
    mixup_variants,
    network_rows,
    point_rows,
)
from mtneuro_suite.plan.table3 import exact_labels
from mtneuro_suite.preset.model import RegionPreset
from mtneuro_suite.preset.paper import (
    CLASS_SETTINGS,
    NETWORK_ROWS,
    Quoted,
    table1,
    table2,
    table3,
)
from mtneuro_suite.report.names import (
    best_mixup,
    class_setting,
    feature_name,
    model_name,
    table1_metric,
    task_name,
)
from mtneuro_suite.report.statistics import interval_text, share_text
from mtneuro_suite.report.tissue import AVERAGE, FEWEST, measured
from mtneuro_suite.runs.row import Row
from mtneuro_suite.steps.ceiling import CEILING
from mtneuro_suite.steps.held_out import HELD_OUT
from mtneuro_suite.steps.regions import TEST
from mtneuro_suite.steps.semantics import NULL, PROJECTED, RUNS

NONE = "–"
_REDUCTION = "The paper names no reduction; its F1 and IoU cannot both be from one matrix."

_PROBE_NAMES = {"knn": "k-NN", "attentive": "attentive"}
_PROBES = {
    "knn": "k-NN: the most common region among the nearest training corners, by cosine of frozen embeddings.",
    "attentive": "Attentive: corners by a learnt pooling of the frozen encoder's feature map.",
}

_KNN = "r2_cross_validated_knn"
CROSS_VALIDATED = "R2 of ridge, cross-validated over blocks of slices"
ON_COLUMNS = "R2 of ridge, on columns of tissue that it was not fitted to"
_R2 = {
    "r2_same_sample": "R2 on the same samples, as the paper's",
    "r2_cross_validated": CROSS_VALIDATED,
    _KNN: "R2 of k-NN, cross-validated over blocks of slices",
    HELD_OUT: ON_COLUMNS,
}
"""Headings of Table 3 by metric."""

_DAGGER = "†"
_NARROWED = (
    f"{_DAGGER}: of the embeddings' principal components, since the encoder has more dimensions than a fifth "
    "of the samples. They are found in standardised embeddings without the features, as many as a fifth of "
    "the samples, 256 at most."
)
_OVER_CUBES = "over cubes{}, Student's; none where there are fewer than three, or all score alike"
_OVER_RUNS = "by bootstrap over runs of slices{}"
_WITHIN = "Within: R2 of the same fit less the means of each region; what tells the region alone has 0."
_COLUMNS = (
    "Columns are disjoint in y and x, and as deep as the cutout. Encoders and readouts learn from half of "
    "them; the other half is scored. 0 is no better than the scored columns' mean. Supervised methods need "
    "regions to tell apart, and the cutout is of one."
)
_CHANCE = "°"
_BY_CHANCE = f"{_CHANCE}: no more than 1 in 20 permutations of the feature within its cubes reach."

_NO_INTERVAL = "No intervals: what is scored on the samples that it was fitted to says nothing of others."

_DENSITIES = ("vessel_density", "axon_density")


@dataclass(frozen=True, slots=True)
class Cell:
    """Our number over seeds, and the paper's."""

    values: tuple[float, ...]
    """Of each seed, or of several animals the mean of each."""

    quoted: Quoted | None = None
    note: str = ""
    """What stands in the cell where there is no number."""

    expected: int = 1
    """Values that were asked for: a seed's each, or an animal's."""

    form: str = ".2f"
    """How a number is printed."""

    mark: str = ""
    """What stands behind a number that is not quite what its table is of."""

    ends: tuple[float, float] | None = None
    """95 % interval of the mean over the tissue, and over seeds where there is more than one."""

    within: float | None = None
    """The same score within regions, where a table has it beside the whole."""

    @property
    def mean(self) -> float | None:
        """Mean over seeds, or None where there is no number."""
        return fmean(self.values) if self.values else None

    @property
    def sd(self) -> float | None:
        """Standard deviation over seeds, or None for fewer than two."""
        return stdev(self.values) if len(self.values) > 1 else None

    @property
    def ours(self) -> str:
        """Mean, and standard deviation where there is more than one seed."""
        if self.mean is None:
            return self.note or NONE
        sd = "" if self.sd is None else f"±{self.sd:{self.form}}"
        return f"{self.mean:{self.form}}{sd}{self.mark}{'*' if len(self.values) < self.expected else ''}"

    @property
    def interval(self) -> str:
        """The interval over the tissue; empty where there is none.

        Examples
        --------
        >>> Cell((0.9,), ends=(0.85, 1.0)).interval, Cell((0.1,), ends=(-0.05, 0.2)).interval
        ('[.85, 1.00]', '[-.05, .20]')
        """
        return "" if self.ends is None else interval_text(self.ends)

    @property
    def beneath(self) -> tuple[str, ...]:
        """What else of ours stands in the cell, a line each."""
        within = "" if self.within is None else f"within {self.within:{self.form}}"
        return tuple(filter(None, (self.interval, within)))

    @property
    def paper(self) -> str:
        """The paper's, as printed."""
        if self.quoted is None:
            return NONE
        sd = "" if self.quoted.sd is None else f"±{self.quoted.sd:.2f}"
        return f"{self.quoted.mean:{self.form}}{sd}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table: rows and columns of cells, and the notes beneath it."""

    title: str
    corner: str
    """Heading of the rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    notes: tuple[str, ...] = ()
    floors: int = 0
    """How many rows at the end are of what any other should beat: a rule stands above them."""

    papers_data: bool = False
    """Whether the numbers are of the paper's data, or of data in its place."""

    @property
    def learnt(self) -> tuple[tuple[str, tuple[Cell, ...]], ...]:
        """The rows above the rule."""
        return self.rows[: len(self.rows) - self.floors]

    @property
    def beneath_rule(self) -> tuple[tuple[str, tuple[Cell, ...]], ...]:
        """The rows of floors."""
        return self.rows[len(self.rows) - self.floors :]

    @property
    def has_paper(self) -> bool:
        """Whether the paper has any number to stand beside ours."""
        return any(cell.quoted is not None for _, cells in self.rows for cell in cells)

    @property
    def paper_beside(self) -> bool:
        """Whether the paper's numbers stand beside ours, and not apart from them: only for its data."""
        return self.papers_data and self.has_paper

    @property
    def paper(self) -> "Table":
        """The paper's numbers alone, in the rows and columns that it has."""
        lines = [(label, cells) for label, cells in self.rows if any(cell.quoted for cell in cells)]
        places = [
            place for place in range(len(self.columns)) if any(cells[place].quoted for _, cells in lines)
        ]
        return Table(
            title=f"{self.title}, the paper's",
            corner=self.corner,
            columns=tuple(self.columns[place] for place in places),
            rows=tuple(
                (label, tuple(replace(Cell(()), note=cells[place].paper) for place in places))
                for label, cells in lines
            ),
        )


def _select(rows: Iterable[Row], **key: str | Sequence[str]) -> list[Row]:
    """Return the rows whose key fields have the values asked for, those of single cubes among them."""
    wanted = {name: {value} if isinstance(value, str) else set(value) for name, value in key.items()}
    return [row for row in rows if all(getattr(row, name) in values for name, values in wanted.items())]


def cell_of(rows: Sequence[Row], quoted: Quoted | None = None, *, expected: int = 1) -> Cell:
    """Return one number's cell, from its rows of all seeds and cubes."""
    whole = [row for row in rows if row.value is not None and not row.cube]
    animals: dict[str, list[float]] = {}
    for row in whole:
        animals.setdefault(row.animal, []).append(row.value or 0.0)
    # Of several animals the mean of each, of one its seeds.
    values = tuple(map(fmean, animals.values())) if len(animals) > 1 else tuple(*animals.values())
    note = "" if values else next((row.note for row in rows if row.note), "")
    found = measured(rows)
    missing = len(whole) < expected
    ends = found.share if found else None
    return Cell(values, quoted, note, len(values) + missing, ends=ends)


def _bracketed(plan: Plan, body: Sequence[tuple[str, tuple[Cell, ...]]], over: str, seeds: str) -> list[str]:
    """Return a note on the intervals in a table, where it has any."""
    if not any(cell.ends for _, cells in body for cell in cells):
        return []
    what = over.format(seeds if len(plan.preset.seeds) > 1 else "")
    if len(plan.preset.phantom_seeds) >= FEWEST:
        what = "over animals, Student's"
    return [f"In brackets: 95 % interval {what}."]


def _over_cubes(plan: Plan, body: Sequence[tuple[str, tuple[Cell, ...]]]) -> list[str]:
    cubes = "the cubes of both animals" if len(plan.animals) == 2 else "cubes"
    return _bracketed(plan, body, _OVER_CUBES.replace("cubes", cubes), " and seeds together")


def _over_runs(plan: Plan, body: Sequence[tuple[str, tuple[Cell, ...]]]) -> list[str]:
    return _bracketed(plan, body, _OVER_RUNS, ", and Student's over seeds")


def _over_columns(plan: Plan, body: Sequence[tuple[str, tuple[Cell, ...]]]) -> list[str]:
    return _bracketed(plan, body, "over the scored columns, Student's{}", ", and Student's over seeds")


def _ceiling(plan: Plan, rows: Sequence[Row]) -> str:
    """Return what two annotators' disagreement allows, or why that is not known."""
    if exact_labels(plan.preset):
        return "No ceiling: the phantom's labels are the exact truth, with which no annotator disagrees."
    told = [
        f"{feature_name(row.class_name)} {share_text(row.value)}"
        for row in _select(rows, metric=CEILING)
        if row.value is not None
    ]
    if not told:
        return "No ceiling: what two annotators' disagreement allows is not known of these samples."
    return (
        "Ceiling, what the disagreement of two simulated annotators allows (outlines off by half a pixel of "
        "1.17 µm, a quarter of the smallest objects missed), since the samples have one's labels: "
        f"{', '.join(told)}."
    )


def _seeds(plan: Plan, line: TableRow) -> int:
    """Return how many models a row has: one for each seed, on each animal."""
    return (len(plan.preset.seeds) if line.seeded else 1) * max(1, len(plan.animals))


def _label(line: TableRow) -> str:
    if line.head or line.is_floor:
        return model_name(line.name)
    if line.own and not (line.like and line.name.startswith(line.like)):
        return line.name
    return (
        f"{model_name(line.like)}{line.name.removeprefix(line.like)}" if line.own else model_name(line.name)
    )


def _encoders(plan: Plan, rows: Sequence[Row], floors: Sequence[str]) -> list[TableRow]:
    """Return the rows of the tables of encoders, floors last; of mixup's variants the best alone."""
    one = plan.preset.task1
    if one is None:
        return []
    best = best_mixup(rows) or next(iter(mixup_variants(one)), None)
    shown = [
        line
        for line in encoder_rows(one)
        if line.own or line.method != "supervised+mixup" or line.name == best
    ]
    return sorted([*shown, *point_rows(one), *floor_rows(floors)], key=lambda line: line.is_floor)


def _floors(lines: Sequence[TableRow]) -> int:
    return sum(line.is_floor for line in lines)


def _what_floors_are(lines: Sequence[TableRow]) -> list[str]:
    """Return a note where a table has floors."""
    return ["Beneath the rule: without learning, what any other row should beat."] if _floors(lines) else []


def _of_files(one: RegionPreset) -> list[str]:
    """Return a note where rows are of embeddings that were given."""
    given = [line.name for line in encoder_rows(one) if line.embeddings]
    return [f"Embeddings of a file, made elsewhere: {', '.join(given)}."] if given else []


def resolutions(plan: Plan) -> tuple[RegionInput, ...]:
    """Return ROI-C1 at each resolution that the preset asks for, the smallest first."""
    of_roi_c1 = {one.downsample: one for one in plan.inputs.scored_regions if one.paper_column == "roi-c1"}
    return tuple(of_roi_c1[factor] for factor in sorted(of_roi_c1, reverse=True))


def resolution_name(region: RegionInput) -> str:
    """Return what a resolution is called."""
    return "full" if region.downsample == 1 else f"1/{region.downsample}"


def region_samples(plan: Plan, regions: Sequence[RegionInput], headings: Sequence[str] = ()) -> str:
    """Return a sentence on how many images are scored in some columns of Task 1, and of how many cubes."""
    told = [
        f"{heading} {image_count(region.test)} ({_counted(cubes, 'cube')})"
        for region, heading in zip(regions, headings or [one.column for one in regions], strict=True)
        if (cubes := {name for task in region.test for name in task.cubes})
    ]
    return f"Test images{_of_each(plan)}: {', '.join(told)}."


def microstructure_samples(plan: Plan, setting: str) -> str:
    """Return a sentence on how many images are scored in a class setting of Task 2, and of how many cubes."""
    scored = {run.step.task for run in plan.microstructure}
    halves = [half for half in plan.inputs.segmentation if half.name in scored]
    told = [
        f"{image_count(half.test)} {_what(half)} "
        f"({_counted({name for task in half.test for name in task.cubes}, 'cube')})"
        for half in halves
        if setting in (half.classes, class_setting(half.classes))
    ]
    return f"Test images{_of_each(plan)}: {' and '.join(told)}."


def _of_each(plan: Plan) -> str:
    return " of each animal" if plan.animals else ""


def _what(half: SegmentationInput) -> str:
    return "slices" if half.dimensions == 2 else f"subvolumes of {half.test[0].depth} slices"


def _counted(names: Collection[str], noun: str) -> str:
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'}"


def region_table(plan: Plan, rows: Sequence[Row]) -> Table | None:
    """Return Table 1: accuracy of region by method and sub-task."""
    regions = [region for region in plan.inputs.scored_regions if region.table == "1"]
    headings = [region.column for region in regions]
    return accuracy_table(plan, rows, regions, headings=headings, title="Table 1. Brain region")


def resolution_table(plan: Plan, rows: Sequence[Row]) -> Table | None:
    """Return Table A3: accuracy of ROI-C1 by method and resolution, where further ones are asked for."""
    if plan.preset.task1 is None or not plan.preset.task1.resolutions:
        return None
    regions = resolutions(plan)
    headings = [resolution_name(region) for region in regions]
    title = "Table A3. Brain region by resolution, ROI-C1"
    return accuracy_table(plan, rows, regions, headings=headings, title=title)


def accuracy_table(
    plan: Plan, rows: Sequence[Row], regions: Sequence[RegionInput], *, headings: Sequence[str], title: str
) -> Table | None:
    """Return accuracy by method and some of the columns of Task 1."""
    if plan.preset.task1 is None or not regions:
        return None
    balanced = regions if plan.preset.task1.balanced_accuracy else ()
    further = plan.preset.task1.further_probes
    body: list[tuple[str, tuple[Cell, ...]]] = []
    scored = {(run.step.model, role) for run in plan.scored for role in run.needs}
    lines = [
        line
        for line in _encoders(plan, rows, plan.preset.task1.floors)
        if any((line.name, f"{TEST}{region.name}") in scored for region in regions)
    ]
    for line in lines:
        cells: list[Cell] = []
        metric = table1_metric(line.method)
        for region in regions:
            chosen = _select(rows, model=line.name, task=region.name, metric=metric)
            quoted = table1(line.paper_method, region.paper_column, downsample=region.downsample)
            cells.append(cell_of(chosen, quoted, expected=_seeds(plan, line)))
        for region in balanced:
            chosen = _select(rows, model=line.name, task=region.name, metric=f"balanced_{metric}")
            cells.append(cell_of(chosen, expected=_seeds(plan, line)))
        for probe in further:
            for region in regions:
                metric = f"accuracy_corners_{probe}"
                chosen = _select(rows, model=line.name, task=region.name, metric=metric)
                cells.append(cell_of(chosen, expected=_seeds(plan, line)))
        body.append((_label(line), tuple(cells)))
    notes = [
        "Accuracy. Supervised rows: whole images. The others: a linear readout of each image's four corners."
    ]
    notes += [*_what_floors_are(lines), *_over_cubes(plan, body)]
    if plan.preset.task1.readout == "original":
        notes.append(
            "Networks are read out by the authors' linear stage: trained on whole images, not normalised."
        )
    if source := label_source(plan.preset):
        notes.append(
            f"{POINTS} and {COUNTS}: whole images as clouds of objects from {source}, without a pixel; "
            f"{COUNTS} is a regression on the number of objects of each class alone."
        )
    notes += _of_files(plan.preset.task1)
    if balanced:
        notes.append("Balanced: the mean of the regions' own accuracies; the paper has no such column.")
    notes += [_PROBES[probe] for probe in further]
    notes.append(region_samples(plan, regions, headings))
    deep = [region for region in regions if region.depth > 1]
    for depth in sorted({region.depth for region in deep}):
        columns = ", ".join(region.column for region in deep if region.depth == depth)
        notes.append(
            f"{columns}: samples are subvolumes of {depth} slices, encoders have three dimensions; corners "
            "keep all slices."
        )
    if plan.preset.inputs == "real-sample":
        notes.append(
            "The paper's column is ROI-C2: eight other cubes of 360 slices. Here: tiles of one slice that "
            "share no pixel, cube sets B, C and D and the rest of it; the outlines that tell the regions of "
            "the rest were drawn at z=309."
        )
    elif plan.preset.inputs == "paper" and any(
        region.downsample != 2 and region.paper_column in ("roi-c2", "roi-c3") for region in regions
    ):
        notes.append(
            "The paper's ROI-C1 is at this resolution (its Table A3), its ROI-C2 and ROI-C3 at half."
        )
    if "supervised+mixup" in plan.preset.task1.methods and len(plan.preset.task1.mixup_probabilities) > 1:
        notes.append("Mixup: the probability with the best mean test accuracy, as the paper reports it.")
    return Table(
        title=title,
        corner="method",
        papers_data=plan.inputs.papers_data,
        columns=(
            *headings,
            *(f"{heading}, balanced" for heading in headings if balanced),
            *(f"{heading}, {_PROBE_NAMES[probe]}" for probe in further for heading in headings),
        ),
        rows=tuple(body),
        notes=tuple(notes),
        floors=_floors(lines),
    )


def segmentation_tables(plan: Plan, rows: Sequence[Row]) -> list[Table]:
    """Return Table 2: F1 and IoU by network, class setting and class; on request accuracy of pixels."""
    two = plan.preset.task2
    if two is None:
        return []
    found: list[Table] = []
    frozen = [] if plan.preset.task1 is None else frozen_rows(plan.preset.task1, two)
    scored = {(run.step.model, run.step.task) for run in plan.microstructure}
    of_heads = ("Rows with linear or convolutional in their name: a head on a frozen encoder of Task 1.",)
    paper = plan.preset.inputs != "tasks"
    for setting in dict.fromkeys(half.classes for half in plan.inputs.segmentation):
        tasks = [half.name for half in plan.inputs.segmentation if half.classes == setting]
        lines = [
            line
            for line in (*network_rows(two), *frozen)
            if any((line.name, task) in scored for task in tasks)
        ]
        names = plan.inputs.segmentation
        own = {name: name for half in names if half.classes == setting for name in half.class_names}
        headings = {**(CLASS_SETTINGS.get(setting, own) if paper else own), "average": "average"}
        setting_name = class_setting(setting) if paper else setting
        for metric, heading in (("f1", "F1"), ("iou", "IoU")):
            of_metric = _select(rows, task=tasks, test_set=[f"{task}:test" for task in tasks], metric=metric)
            body: list[tuple[str, tuple[Cell, ...]]] = []
            for line in lines:
                cells: list[Cell] = []
                for name, column in headings.items():
                    of_line = _select(of_metric, model=line.name)
                    of_all = name == AVERAGE
                    chosen = [row for row in of_line if row.class_name == name or (of_all and row.cube)]
                    quoted = table2(line.paper_network, metric, setting, column) if paper else None
                    cells.append(cell_of(chosen, quoted, expected=_seeds(plan, line)))
                body.append((_label(line), tuple(cells)))
            notes = {"3class": " Axons count as background.", "4class": " Without the region ZI."}
            note = notes.get(setting, "") if paper else ""
            found.append(
                Table(
                    title=f"Table 2. Microstructure, {setting_name}: {heading}",
                    corner="network",
                    papers_data=plan.inputs.papers_data,
                    columns=tuple(headings.values()),
                    rows=tuple(body),
                    notes=(
                        f"Class-wise, from one confusion matrix over the test slices.{note}",
                        microstructure_samples(plan, setting),
                        *_over_cubes(plan, body),
                        *((_REDUCTION,) if paper and setting in CLASS_SETTINGS else ()),
                        *(of_heads if frozen else ()),
                    ),
                )
            )
        if two.accuracy:
            body = []
            for line in lines:
                of_line = _select(rows, test_set=[f"{task}:test" for task in tasks], model=line.name)
                pair = [_select(of_line, metric=metric) for metric in ("accuracy", "balanced_accuracy")]
                cells = [cell_of(chosen, expected=_seeds(plan, line)) for chosen in pair]
                body.append((_label(line), tuple(cells)))
            found.append(
                Table(
                    title=f"Table 2. Microstructure, {setting_name}: accuracy",
                    corner="network",
                    papers_data=plan.inputs.papers_data,
                    columns=("accuracy", "balanced"),
                    rows=tuple(body),
                    notes=(
                        "Of pixels; balanced: the mean of the classes' own. The paper has neither.",
                        microstructure_samples(plan, setting),
                        *_over_cubes(plan, body),
                    ),
                )
            )
    return found


def search_table(plan: Plan, rows: Sequence[Row]) -> Table | None:
    """Return Table A4: the learning rate and batch that a search chose for each network."""
    two = plan.preset.task2
    if two is None or two.search is None:
        return None
    body: list[tuple[str, tuple[Cell, ...]]] = []
    halves = {half.name: half.classes for half in plan.inputs.segmentation}
    settings = tuple(dict.fromkeys(halves.values()))
    for line in network_rows(two):
        cells: list[Cell] = []
        for setting in settings:
            tasks = [name for name, classes in halves.items() if classes == setting]
            for metric in ("learning_rate", "batch_size"):
                chosen = _select(rows, task=tasks, model=line.name, metric=metric)
                quoted, network = None, line.paper_network
                if network in NETWORK_ROWS and setting in CLASS_SETTINGS:
                    quoted = Quoted(float(getattr(paper_settings(network, int(setting[0])), metric)))
                cells.append(replace(cell_of(chosen, quoted), form="g"))
        body.append((_label(line), tuple(cells)))
    return Table(
        title="Table A4. Settings that the search chose",
        corner="network",
        papers_data=plan.inputs.papers_data,
        columns=tuple(f"{what}, {class_setting(s)}" for s in settings for what in ("learning rate", "batch")),
        rows=tuple(body),
        notes=(
            "Of the highest mean IoU on the validation slices, without which the search trains.",
            "Table 2 is of these settings, trained again on all training slices.",
        ),
    )


def semantics_tables(plan: Plan, rows: Sequence[Row]) -> list[Table]:
    """Return Table 3: R2 by method and feature, the paper's way and cross-validated."""
    if plan.preset.task3 is None or not plan.semantics:
        return []
    tasks = list(dict.fromkeys(run.step.task for run in plan.semantics))
    read_out = {(run.step.model, run.step.task) for run in (*plan.semantics, *plan.point_semantics)}
    features = plan.inputs.features
    paper = plan.preset.inputs == "paper"
    found: list[Table] = []
    for task in tasks:
        column = plan.inputs.region(task).paper_column
        of_task = _select(rows, task=task)
        for metric, heading in _R2.items():
            if metric == _KNN and "knn" not in plan.preset.task3.probes:
                continue
            if metric == ("r2_cross_validated" if plan.inputs.semantics_learnt else HELD_OUT):
                continue
            of_metric = _select(of_task, metric=metric)
            as_papers = metric == "r2_same_sample"
            body: list[tuple[str, tuple[Cell, ...]]] = []
            reasons: dict[str, None] = {}
            if metric == _KNN:
                reasons[
                    "k-NN: the mean of the nearest samples of other slices, by cosine of frozen embeddings."
                ] = None
            lines = [
                line
                for line in _encoders(plan, rows, plan.preset.task3.floors)
                if (line.name, task) in read_out
            ]
            for line in lines:
                cells: list[Cell] = []
                for feature in features:
                    # In pixels where nobody knows how large one is.
                    names = (feature, f"{feature}_px")
                    chosen = _select(of_metric, model=line.name, class_name=names)
                    quoted = table3(line.paper_method, column, feature) if paper and as_papers else None
                    key = {"model": line.name, "class_name": names}
                    cell = replace(
                        cell_of(chosen, quoted, expected=_seeds(plan, line)),
                        within=cell_of(_select(of_task, metric=f"{metric}_within", **key)).mean,
                    )
                    null = cell_of(_select(of_task, metric=NULL, **key)).mean
                    told = cell.mean if metric == "r2_cross_validated" else None
                    if told is not None and null is not None and told <= null:
                        cell = replace(cell, mark=_CHANCE)
                    structure = feature.removesuffix("_density")
                    # Of the paper's structures, those that a cutout has no labels of.
                    if feature in _DENSITIES and structure not in plan.inputs.label_values:
                        cell = Cell((), quoted, f"no {structure}s")
                    elif as_papers and (narrowed := _narrowed(of_task, line, names, cell)):
                        cell = narrowed
                        reasons[_NARROWED] = None
                    elif cell.note:
                        reasons[f"{NONE}: {cell.note}."] = None
                        cell = Cell((), quoted)
                    cells.append(cell)
                body.append((_label(line), tuple(cells)))
            cells_of_all = [cell for _, cells in body for cell in cells]
            intervals = (_over_columns if metric == HELD_OUT else _over_runs)(plan, body)
            reasons |= dict.fromkeys([*_what_floors_are(lines), *intervals])
            if metric == HELD_OUT:
                reasons[_COLUMNS] = None
            if metric in (HELD_OUT, "r2_cross_validated"):
                reasons[_ceiling(plan, rows)] = None
            if as_papers and any(cell.values and not cell.ends for cell in cells_of_all):
                reasons[_NO_INTERVAL] = None
            if any(cell.within is not None for cell in cells_of_all):
                reasons[_WITHIN] = None
            if any(cell.mark == _CHANCE for cell in cells_of_all):
                reasons[_BY_CHANCE] = None
            if plan.preset.task1:
                reasons |= dict.fromkeys(_of_files(plan.preset.task1))
            if not plan.inputs.scored_regions:
                reasons["The encoders learnt from the images that they are read out on."] = None
            if (depth := plan.inputs.region(task).depth) > 1:
                reasons[
                    f"Samples are subvolumes of {depth} slices; features are means over those that have them."
                ] = None
            if source := label_source(plan.preset):
                reasons[
                    f"{POINTS} and {COUNTS} see objects from {source}: what is counted and measured here can "
                    "be read off them, a ceiling and no result."
                ] = None
            sizes = sorted({row.n for row in of_metric if row.n})
            if sizes:
                span = f"{sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else f"{sizes[0]}"
                runs = [int(row.value) for row in _select(of_task, metric=RUNS) if row.value]
                of_runs = ""
                if runs and metric == "r2_cross_validated":
                    most = f" to {max(runs)}" if max(runs) > min(runs) else ""
                    of_runs = f", in {min(runs)}{most} runs of neighbouring slices that are alike"
                reasons[f"Samples a fit: {span}{of_runs}."] = None
            found.append(
                Table(
                    title=f"Table 3. Semantics, encoders from {task_name(task, plan)}: {heading}",
                    corner="method",
                    papers_data=plan.inputs.papers_data,
                    columns=tuple(map(feature_name, features)),
                    rows=tuple(body),
                    notes=tuple(reasons),
                    floors=_floors(lines),
                )
            )
    return found


def _narrowed(of_task: Sequence[Row], line: TableRow, names: Sequence[str], cell: Cell) -> Cell | None:
    """Return the cell of the score of principal components, if a cell is empty and there is one."""
    chosen = _select(of_task, metric=PROJECTED, model=line.name, class_name=names)
    if cell.values or not chosen:
        return None
    return replace(cell_of(chosen, cell.quoted, expected=cell.expected), mark=_DAGGER)


def all_tables(plan: Plan, rows: Sequence[Row]) -> list[Table]:
    """Return every table that the preset fills."""
    tables = [
        region_table(plan, rows),
        resolution_table(plan, rows),
        *segmentation_tables(plan, rows),
        search_table(plan, rows),
        *semantics_tables(plan, rows),
    ]
    return [_starred(table, _of_animals(plan)) for table in tables if table]


def _of_animals(plan: Plan) -> list[str]:
    """Return a note where the tables are of several animals."""
    names = [*plan.animals]
    if len(names) < 2:
        return []
    each = "" if len(names) >= FEWEST else " Fewer than 3 animals say nothing of how animals vary."
    return [f"Means over {len(names)} animals, phantom seeds {', '.join(names)}; ± is over them.{each}"]


def _starred(table: Table, animals: Sequence[str]) -> Table:
    """Return the table with notes on its animals, and on the cells that lack seeds, where there are any."""
    short = any("*" in cell.ours for _, cells in table.rows for cell in cells)
    return replace(
        table, notes=(*table.notes, *animals, *(["*: not every seed has a result yet."] if short else []))
    )
