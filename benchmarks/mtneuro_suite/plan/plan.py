"""From a preset to its runs."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

from mtneuro_data import open_task

from mtneuro_suite.plan.asked import asked_samples
from mtneuro_suite.plan.dense import dense_runs
from mtneuro_suite.plan.feature_probes import feature_probe_runs
from mtneuro_suite.plan.given import check_complete, given_rows
from mtneuro_suite.plan.inputs import Inputs, paper_inputs
from mtneuro_suite.plan.labels import LabelRuns, label_runs
from mtneuro_suite.plan.own_tasks import task_file_inputs
from mtneuro_suite.plan.points import point_runs
from mtneuro_suite.plan.probes import probe_runs
from mtneuro_suite.plan.real_sample import real_sample_inputs
from mtneuro_suite.plan.rows import encoder_rows
from mtneuro_suite.plan.shift import ShiftRuns, shift_runs
from mtneuro_suite.plan.table1 import Embedders, Encoders, region_runs
from mtneuro_suite.plan.table2 import Networks, segmenter_runs
from mtneuro_suite.plan.table3 import ceiling_runs, semantics_runs
from mtneuro_suite.preset.model import Preset
from mtneuro_suite.runs.run import Run, with_needs
from mtneuro_suite.steps import (
    Arrays,
    Ceiling,
    Dense,
    Encoder,
    FeatureProbes,
    Features,
    FewLabels,
    PointEncoder,
    PointRegions,
    PointSemantics,
    Probes,
    Regions,
    Segmenter,
    Selection,
    Semantics,
    Transferred,
    Umap,
)
from mtneuro_suite.steps.regions import TEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A preset's runs, grouped as the tables and the report need them."""

    preset: Preset
    inputs: Inputs
    regions: tuple[Run[Regions], ...]
    encoders: tuple[Run[Encoder], ...]
    segmenters: tuple[Run[Segmenter], ...]
    """Runs of networks whose scores are Table 2's."""

    dense: tuple[Run[Dense], ...]
    """Runs that read frozen encoders out, whose scores are Table 2's too."""

    networks: tuple[Run[Segmenter], ...]
    """Runs that train or take a segmentation network: the same, and those that a search tries."""

    selections: tuple[Run[Selection], ...]
    """Runs that choose among those: Table A4's."""

    features: Run[Features] | None
    """The run that measures Task 3's samples; where there are subvolumes too, that of the slices."""

    semantics: tuple[Run[Semantics], ...]
    ceilings: tuple[Run[Ceiling], ...]
    """The run that says what a second annotator's features would agree in, of real tissue."""

    umap: tuple[Run[Umap], ...]
    point_encoders: tuple[Run[PointEncoder], ...] = ()
    """Runs that train an encoder of clouds of points."""

    probes: tuple[Run[Probes], ...] = ()
    """Runs that read regions off encoders by further probes, whose scores are Table 1's too."""

    feature_probes: tuple[Run[FeatureProbes], ...] = ()
    """The same of features, and Table 3."""

    labels: LabelRuns = field(default_factory=LabelRuns)
    """Runs with a part of the labels."""

    shift: ShiftRuns = field(default_factory=ShiftRuns)
    """Runs on other data."""

    point_regions: tuple[Run[PointRegions], ...] = ()
    point_semantics: tuple[Run[PointSemantics], ...] = ()
    animals: Mapping[str, "Plan"] = field(default_factory=dict[str, "Plan"])
    """Where the phantom's seeds are named, the plan of each of these animals; all else is the first one's."""

    @property
    def scored(self) -> tuple[Run[Regions | PointRegions], ...]:
        """Runs whose scores are Table 1's."""
        return (*self.regions, *self.point_regions)

    @property
    def microstructure(self) -> list[Run[Segmenter | Dense]]:
        """Runs whose scores are Table 2's: networks, then frozen encoders."""
        return [*self.segmenters, *self.dense]

    @property
    def runs(self) -> list[Run]:
        """Every run of every animal, needs first."""
        if self.animals:
            return with_needs(run for one in self.animals.values() for run in one.runs)
        # Encoders that nothing scores or reads out stand at the end.
        return with_needs([*self._ends, *self.ceilings, *self.encoders, *self.point_encoders])

    def runs_of(self, rows: Collection[str]) -> list[Run]:
        """Return the runs that fill some rows of the tables, needs first."""
        if self.animals:
            return with_needs(run for one in self.animals.values() for run in one.runs_of(rows))
        return with_needs(
            run
            for run in self._ends
            if run.step.model in rows or (isinstance(run.step, Dense) and run.step.frozen in rows)
        )

    def runs_by_table(self) -> dict[str, list[Run]]:
        """Return the runs whose results each table, and the figures of embeddings, are made of."""
        if self.animals:
            each = [one.runs_by_table() for one in self.animals.values()]
            return {name: [run for one in each for run in one[name]] for name in each[0]}
        columns = {f"{TEST}{region.name}": region for region in self.inputs.scored_regions}
        scored = [
            (run, [columns[role] for role in run.needs if role in columns])
            for run in (*self.scored, *self.probes)
        ]
        further = self.preset.task1 is not None and bool(self.preset.task1.resolutions)
        found: dict[str, list[Run]] = {
            "Table 1": [run for run, tested in scored if any(region.table == "1" for region in tested)],
            "Table A3": [
                run
                for run, tested in scored
                if further and any(region.paper_column == "roi-c1" for region in tested)
            ],
            "Table 2": [*self.microstructure],
            "Table A4": [*self.selections],
            "Table 3": [*self.semantics, *self.point_semantics, *self.feature_probes, *self.ceilings],
            "Figures 4 and A4": [*self.umap],
            "Label efficiency": [*self.labels.ends],
            "Other data": [*self.shift.ends],
        }
        return {name: runs for name, runs in found.items() if runs}

    @property
    def _ends(
        self,
    ) -> list[
        Run[
            Regions
            | PointRegions
            | Probes
            | Segmenter
            | Dense
            | Semantics
            | PointSemantics
            | FeatureProbes
            | FewLabels
            | Transferred
            | Umap
        ]
    ]:
        of_pixels = [*self.regions, *self.probes, *self.microstructure, *self.semantics, *self.umap]
        return [
            *of_pixels,
            *self.point_regions,
            *self.point_semantics,
            *self.feature_probes,
            *self.labels.ends,
            *self.shift.ends,
        ]


def _encoders(runs: Embedders) -> Encoders:
    """Return those that are of an encoder."""
    return {key: cast("Run[Encoder]", run) for key, run in runs.items() if isinstance(run.step, Encoder)}


def check_sources(runs: Iterable[Run]) -> None:
    """Open every volume that the runs read, and check that their boxes lie inside.

    Raises
    ------
    ValueError
        If a volume is not what its name says, or a box leaves it.
    OSError
        If a volume cannot be reached.
    """
    for run in runs:
        if isinstance(run.step, Arrays):
            open_task(run.step.task, "all")


def _named(plan: Plan, animal: str) -> Plan:
    """Return a plan whose runs' titles name the animal."""
    named: dict[str, Run] = {}
    for run in plan.runs:
        needs = {role: tuple(named[need.id] for need in some) for role, some in run.needs.items()}
        named[run.id] = replace(run, title=f"{run.title}, animal {animal}", needs=needs)

    def of(value: Any) -> Any:
        if isinstance(value, Run):
            return named[value.id]
        if isinstance(value, tuple):
            return tuple(map(of, cast("tuple[Any, ...]", value)))
        if isinstance(value, dict):
            return {key: of(one) for key, one in cast("dict[Any, Any]", value).items()}
        if isinstance(value, LabelRuns | ShiftRuns | Plan):
            return replace(value, **{one.name: of(getattr(value, one.name)) for one in fields(value)})
        return value

    return of(plan)


def plan_of(preset: Preset, *, data: Path | None = None, trusted: Collection[str] = ()) -> Plan:
    """Return a preset's runs, everything checked that can be known before they start.

    Parameters
    ----------
    preset
        What to run.
    data
        Folder of real files, for presets whose ``inputs`` are ``real-sample``.
    trusted
        Encoders and networks, as ``package.module:factory`` or ``file.py:factory``, that the preset and the
        model folders that it names may name: they are imported.

    Raises
    ------
    ValueError
        If a method, a network, a setting or a range is not allowed, a factory is not trusted, or a file of
        embeddings is not of the samples that are asked for.
    FileNotFoundError
        If a real file, or one of embeddings, is missing.
    """
    if preset.phantom_seeds:
        plans = {
            str(seed): _named(plan_of(preset.of_animal(seed), trusted=trusted), str(seed))
            for seed in preset.phantom_seeds
        }
        return replace(next(iter(plans.values())), preset=preset, animals=plans)
    if preset.inputs == "real-sample":
        if data is None:
            raise ValueError(f"preset {preset.name!r} reads real files: give their folder with --data")
        inputs = real_sample_inputs(preset, data)
    elif data is not None:
        raise ValueError(
            f"--data is read by real-sample and real-study only, got preset {preset.name!r}; see --source"
        )
    else:
        inputs = task_file_inputs(preset) if preset.inputs == "tasks" else paper_inputs(preset)
    given = given_rows(encoder_rows(preset.task1)) if preset.task1 else {}
    encoders, scores, trained = (
        region_runs(preset, preset.task1, inputs, given=given, trusted=trusted)
        if preset.task1
        else ({}, [], [])
    )
    networks = segmenter_runs(preset, preset.task2, inputs, trusted=trusted) if preset.task2 else Networks()
    dense = (
        dense_runs(preset, preset.task1, preset.task2, inputs, _encoders(encoders))
        if preset.task1 and preset.task2
        else []
    )
    features, semantics, drawn = None, [], []
    if preset.task1 and preset.task3:
        features, semantics, drawn = semantics_runs(preset, preset.task3, inputs, encoders, trained)
    points = point_runs(preset, inputs, trained=trained, networks=networks.scored, semantics=semantics)
    for row, one in given.items():
        check_complete(one, asked_samples(run for run in (*scores, *semantics) if run.step.model == row))
    return Plan(
        preset=preset,
        inputs=inputs,
        regions=tuple(scores),
        encoders=tuple(_encoders(encoders).values()),
        segmenters=tuple(networks.scored),
        dense=tuple(dense),
        networks=tuple(networks.trained),
        selections=tuple(networks.chosen),
        features=features,
        semantics=tuple(semantics),
        ceilings=tuple(ceiling_runs(preset, features)),
        umap=tuple(drawn),
        shift=shift_runs(preset, inputs, regions=scores, networks=networks.scored),
        probes=tuple(probe_runs(preset, preset.task1, inputs, encoders) if preset.task1 else ()),
        feature_probes=tuple(
            feature_probe_runs(preset.task3, inputs, [*semantics, *points.semantics]) if preset.task3 else ()
        ),
        labels=label_runs(
            preset, inputs, regions=scores, microstructure=[*networks.scored, *dense], semantics=semantics
        ),
        point_encoders=tuple(points.encoders),
        point_regions=tuple(points.regions),
        point_semantics=tuple(points.semantics),
    )
