"""Draw how trained models do on other data: a matrix with retention, and curves along the phantom's dials."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import fmean
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from mtneuro_suite.plan.plan import Plan
from mtneuro_suite.plan.rows import encoder_rows, floor_rows
from mtneuro_suite.plan.shift import elsewhere
from mtneuro_suite.report.figures import Picture, line_style, name_axes, name_lines, panel_grid, svg_uri, tidy
from mtneuro_suite.report.names import class_setting, model_name, table1_metric
from mtneuro_suite.report.rows import rows_of
from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.store import Store

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HOME = "home"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """The scores of the models of one column of Table 1, or half of Table 2, at home and elsewhere."""

    title: str
    scores: Mapping[str, Mapping[str, float]]
    """Mean over seeds by model and place."""

    @property
    def places(self) -> tuple[str, ...]:
        """Home, then the other data."""
        return tuple(dict.fromkeys(place for scores in self.scores.values() for place in scores))


def retention(scores: Mapping[str, float]) -> dict[str, float]:
    """Return each score elsewhere as a part of that at home; nothing where home has none, or 0.

    Examples
    --------
    >>> retention({"home": 0.8, "phantom?drift=2": 0.4})
    {'phantom?drift=2': 0.5}
    >>> retention({"phantom?drift=2": 0.6})
    {}
    """
    home = scores.get(HOME, 0.0)
    return {place: score / home for place, score in scores.items() if place != HOME} if home else {}


def shift_figures(plan: Plan, store: Store) -> list[Picture]:
    """Return the figures of what was scored on other data, as far as there are results."""
    rows = rows_of(plan, store)
    found = [
        ("Task 1", "accuracy", _region_transfers(plan, rows), plan.shift.region_places),
        ("Task 2", "mean F1", _segmentation_transfers(plan, rows), plan.shift.microstructure_places),
    ]
    home = plan.preset.source if plan.preset.inputs == "paper" else plan.preset.name
    shown: list[Picture] = []
    for task, metric, transfers, places in found:
        there = [transfer for transfer in transfers if len(transfer.places) > 1]
        if not there:
            continue
        shown.append(
            Picture(
                svg_uri(_matrix(there)),
                f"{task}: {metric} at home ({home}), where everything is trained, and on other data. Beneath "
                "a score elsewhere its retention, the part that it is of the score at home. Means of seeds.",
            )
        )
        for dial, along in _dials(plan.preset.source, places).items():
            figure = _curves(there, along, dial, metric)
            caption = f"{task}: {metric} along the phantom's {dial}, trained at {along[HOME]:g}."
            shown.append(Picture(svg_uri(figure), caption))
    return shown


def _region_transfers(plan: Plan, rows: Sequence[Row]) -> list[Transfer]:
    one, places = plan.preset.task1, plan.shift.region_places
    if one is None or not places:
        return []
    return [
        Transfer(
            title=region.column,
            scores={
                model_name(line.name): scores
                for line in (*encoder_rows(one), *floor_rows(one.floors))
                if (scores := _scores(rows, line.name, region.name, places, table1_metric(line.method)))
            },
        )
        for region in plan.inputs.scored_regions
    ]


def _segmentation_transfers(plan: Plan, rows: Sequence[Row]) -> list[Transfer]:
    places = plan.shift.microstructure_places
    found: list[Transfer] = []
    for half in plan.inputs.segmentation if places else ():
        models = dict.fromkeys(run.step.model for run in plan.segmenters if run.step.task == half.name)
        scores = {model: _scores(rows, model, half.name, places, "f1", "average") for model in models}
        named = {model_name(model): found for model, found in scores.items() if found}
        found.append(Transfer(title=f"{class_setting(half.classes)}, {half.dimensions}D", scores=named))
    return found


def _scores(
    rows: Iterable[Row], model: str, task: str, places: Sequence[str], metric: str, class_name: str = ""
) -> dict[str, float]:
    """Return the mean over seeds at home and at each other place, where there is a result."""
    names = {task: HOME, **{elsewhere(task, place): place for place in places}}
    found: dict[str, list[float]] = {}
    for row in rows:
        same = (row.model, row.metric, row.class_name, row.cube) == (model, metric, class_name, "")
        if same and row.task in names and row.value is not None and not row.test_set.endswith(":val"):
            found.setdefault(names[row.task], []).append(row.value)
    return {place: fmean(found[place]) for place in names.values() if place in found}


def _dials(source: str, places: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return, for each dial that places differ from home in alone, the dial's value at each place.

    Examples
    --------
    >>> _dials("phantom", ["phantom?drift=0", "phantom?drift=2", "phantom?seed=7", "own"])
    {'drift': {'phantom?drift=0': 0.0, 'home': 1.0, 'phantom?drift=2': 2.0}}
    """
    from mtneuro_data.phantom import Appearance

    base, _, query = source.partition("?")
    if base != "phantom":
        return {}
    usual = {field.name: float(getattr(Appearance(), field.name)) for field in fields(Appearance)}
    home = dict(parse_qsl(query))
    found: dict[str, dict[str, float]] = {}
    for place in places:
        other, _, changes = place.partition("?")
        values = dict(parse_qsl(changes))
        differing = [
            key
            for key in {**home, **values}
            if values.get(key, usual.get(key)) != home.get(key, usual.get(key))
        ]
        if other == base and len(differing) == 1 and differing[0] in usual:
            dial = differing[0]
            along = found.setdefault(dial, {HOME: float(home.get(dial, usual[dial]))})
            along[place] = float(values.get(dial, usual[dial]))
    return {dial: dict(sorted(along.items(), key=lambda item: item[1])) for dial, along in found.items()}


def _matrix(transfers: Sequence[Transfer]) -> "Figure":
    """Return a coloured table for each column: a row a model, a cell a place."""
    from matplotlib.figure import Figure

    lines = [len(transfer.scores) for transfer in transfers]
    width = max(len(transfer.places) for transfer in transfers)
    figure = Figure(figsize=(1.9 + 1.15 * width, 0.9 * len(lines) + 0.42 * sum(lines)), layout="constrained")
    grid = figure.subplots(len(lines), 1, squeeze=False, height_ratios=lines)
    for axes, transfer in zip(grid.flat, transfers, strict=True):
        _draw_cells(axes, transfer)
    return figure


def _draw_cells(axes: "Axes", transfer: Transfer) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    for y, scores in enumerate(transfer.scores.values()):
        kept = retention(scores)
        for x, place in enumerate(transfer.places):
            if place not in scores:
                continue
            score = scores[place]
            shade = colormaps["viridis"](min(1.0, max(0.0, score)))
            axes.add_patch(Rectangle((x, y), 1, 1, facecolor=shade, edgecolor="none"))
            text = f"{score:.2f}" + (f"\n{kept[place]:.0%}" if place in kept else "")
            ink = "#ffffff" if score < 0.6 else "#1c2530"
            axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=7, color=ink)
    axes.set_xlim(0, len(transfer.places))
    axes.set_ylim(len(transfer.scores), 0)
    axes.set_xticks(
        [x + 0.5 for x in range(len(transfer.places))], [_broken(place) for place in transfer.places]
    )
    axes.set_yticks([y + 0.5 for y in range(len(transfer.scores))], list(transfer.scores))
    axes.tick_params(length=0, labelsize=7)
    axes.spines[:].set_visible(False)
    axes.set_title(transfer.title, fontsize=9)


def _broken(place: str) -> str:
    """Return a place's name on lines that fit beneath a cell."""
    return place.replace("?", "\n").replace("&", "\n")


def _curves(transfers: Sequence[Transfer], along: Mapping[str, float], dial: str, metric: str) -> "Figure":
    figure, grid = panel_grid(len(transfers), height=2.3, sharey=True)
    models = list(dict.fromkeys(model for transfer in transfers for model in transfer.scores))
    for axes, transfer in zip(grid.flat, transfers, strict=False):
        for model, scores in transfer.scores.items():
            points = [(value, scores[place]) for place, value in along.items() if place in scores]
            x, y = [value for value, _ in points], [score for _, score in points]
            axes.plot(x, y, ms=4, lw=1.3, **line_style(models.index(model)))
        axes.axvline(along[HOME], color="0.5", ls=":", lw=1)
        axes.set_title(transfer.title, fontsize=9)
        axes.set_ylim(0, 1.02)
        axes.grid(axis="y", alpha=0.25)
        tidy(axes)
    name_axes(figure, grid, x=dial, y=metric)
    name_lines(figure, grid.flat[0], models)
    return figure
