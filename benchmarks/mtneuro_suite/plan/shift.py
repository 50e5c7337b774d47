"""The runs that score trained encoders and networks on other data than their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mtneuro_data import TaskSpec, read_task

from mtneuro_suite.plan.arrays import arrays_runs
from mtneuro_suite.plan.costs import image_count
from mtneuro_suite.plan.inputs import (
    Inputs,
    RegionInput,
    SegmentationInput,
    local_fingerprints,
    parts,
    source_of,
)
from mtneuro_suite.plan.real_sample import FILES, region_task, segmentation_task
from mtneuro_suite.preset.model import Preset
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Arrays, Encoder, Floor, Regions, Segmenter, Transferred
from mtneuro_suite.steps.regions import TEST


def elsewhere(name: str, place: str) -> str:
    """Return a task's name in a result's key where its models are scored on other data.

    Examples
    --------
    >>> elsewhere("roi-c1", "phantom?drift=2")
    'roi-c1 on phantom?drift=2'
    """
    return f"{name} on {place}"


@dataclass(frozen=True, slots=True)
class ShiftRuns:
    """The runs on other data, and the other data's names in the order in which they were given."""

    regions: tuple[Run[Regions], ...] = ()
    microstructure: tuple[Run[Transferred | Segmenter], ...] = ()
    region_places: tuple[str, ...] = ()
    microstructure_places: tuple[str, ...] = ()

    @property
    def ends(self) -> list[Run[Regions | Transferred | Segmenter]]:
        """All of them."""
        return [*self.regions, *self.microstructure]


@dataclass(frozen=True, slots=True)
class _Place:
    """Other data: its name, and what loads its tests by the name of the column or half beside them."""

    name: str
    tests: Mapping[str, tuple[Run[Arrays], ...]]


def shift_runs(
    preset: Preset,
    inputs: Inputs,
    *,
    regions: Sequence[Run[Regions]],
    networks: Sequence[Run[Segmenter]],
) -> ShiftRuns:
    """Return the runs that score what is trained on the other data that a preset names.

    Parameters
    ----------
    preset, inputs
        What to run, and on what.
    regions, networks
        The runs of Tables 1 and 2, at home.

    Raises
    ------
    ValueError
        If other data is of no column, has other regions or classes, or two have one name.
    FileNotFoundError
        If a task file is missing.
    """
    one, two = preset.task1, preset.task2
    of_regions = (
        [
            _region_place(entry, preset, inputs.scored_regions, z_step=one.test_z_step)
            for entry in one.also_test
        ]
        if one
        else []
    )
    of_halves = (
        [
            _segmentation_place(
                entry, preset, inputs.segmentation, downsample=two.downsample, z_step=two.test_z_step
            )
            for entry in two.also_test
        ]
        if two
        else []
    )
    for section, places in (("task1", of_regions), ("task2", of_halves)):
        names = [place.name for place in places]
        if len(set(names)) < len(names):
            raise ValueError(f"{section}.also_test must have names of their own, got {', '.join(names)}")
    return ShiftRuns(
        regions=tuple(found for run in regions for found in _region_runs(run, of_regions)),
        microstructure=tuple(found for run in networks for found in _segmentation_runs(run, of_halves)),
        region_places=tuple(place.name for place in of_regions),
        microstructure_places=tuple(place.name for place in of_halves),
    )


def _loaded(tests: Mapping[str, tuple[TaskSpec, ...]]) -> dict[str, tuple[Run[Arrays], ...]]:
    """Return the runs that load each test."""
    fingerprints = local_fingerprints(task for some in tests.values() for task in some)
    return {name: arrays_runs(some, fingerprints) for name, some in tests.items()}


def _kind_of(entry: str) -> Literal["file", "real", "source"]:
    if entry.endswith((".toml", ".json")):
        return "file"
    folder = Path(entry).expanduser()
    return "real" if all((folder / name).is_file() for name in FILES) else "source"


def _read(entry: str, kind: str, section: str) -> TaskSpec:
    task = read_task(Path(entry).expanduser())
    if task.kind != kind or "test" not in task.splits:
        raise ValueError(
            f"{section}.also_test must name tasks of the kind {kind!r} with a split 'test', got {entry!r} of "
            f"the kind {task.kind!r} with {', '.join(task.splits)}"
        )
    if any(isinstance(level, str) for level in task.intensity or ()):
        raise ValueError(
            f"{section}.also_test {entry!r}: intensity must be numbers here, got {list(task.intensity or ())}"
        )
    return task


def _same_cubes(entry: str, preset: Preset, section: str) -> str | dict[str, str]:
    """Return what the paper's tasks are read from elsewhere."""
    if preset.inputs != "paper":
        raise ValueError(
            f"{section}.also_test {entry!r} is a source of the paper's cubes, and this preset runs others; "
            "name a task file, .toml or .json"
        )
    return source_of(entry)


def _region_place(entry: str, preset: Preset, columns: Sequence[RegionInput], *, z_step: int) -> _Place:
    kind = _kind_of(entry)
    if kind == "source":
        source = _same_cubes(entry, preset, "task1")
        tests = {column.name: tuple(task.with_source(source) for task in column.test) for column in columns}
        return _Place(entry, _loaded(tests))
    task = (
        region_task(Path(entry).expanduser().resolve()) if kind == "real" else _read(entry, "region", "task1")
    )
    own = [column for column in columns if column.trained_in == column.name and column.depth == task.depth]
    fitting = [column for column in own if column.test[0].regions == task.regions]
    if not fitting:
        wanted = ", ".join(own[0].test[0].regions) if own else f"samples of {columns[0].depth} slices"
        raise ValueError(
            f"task1.also_test {entry!r} must have the regions that are learnt, in order ({wanted}), got "
            f"{', '.join(task.regions)} of {task.depth} slices"
        )
    step = 1 if kind == "real" else z_step
    tests = {
        column.name: parts(task, ("test",), downsample=column.downsample, z_step=step) for column in fitting
    }
    return _Place(task.name, _loaded(tests))


def _segmentation_place(
    entry: str,
    preset: Preset,
    halves: Sequence[SegmentationInput],
    *,
    downsample: Literal[1, 2, 4],
    z_step: int,
) -> _Place:
    kind = _kind_of(entry)
    if kind == "source":
        source = _same_cubes(entry, preset, "task2")
        same = {half.name: tuple(task.with_source(source) for task in half.test) for half in halves}
        return _Place(entry, _loaded(same))
    folder = Path(entry).expanduser().resolve()
    read = None if kind == "real" else _read(entry, "segmentation", "task2")
    tests: dict[str, tuple[TaskSpec, ...]] = {}
    for half in halves:
        depth = half.test[0].depth
        task = segmentation_task(folder, depth=depth) if read is None else read
        if task.class_names == half.class_names and task.depth == depth:
            tests[half.name] = parts(task, ("test",), downsample=downsample, z_step=z_step)
    if not tests:
        classes = "; ".join(dict.fromkeys(", ".join(half.class_names) for half in halves))
        raise ValueError(
            f"task2.also_test {entry!r} must have the classes that are learnt, in order ({classes}), and as "
            "many slices a sample"
        )
    return _Place("dyer2017" if read is None else read.name, _loaded(tests))


def _region_runs(run: Run[Regions], places: Sequence[_Place]) -> list[Run[Regions]]:
    """Return the run that scores one run's encoder on all other data at once; none where there is none."""
    home = [role.removeprefix(TEST) for role in run.needs if role.startswith(TEST)]
    tests = {
        TEST + elsewhere(name, place.name): place.tests[name]
        for place in places
        for name in home
        if name in place.tests
    }
    # A file of embeddings is of the samples at home alone.
    if not tests or not isinstance(run.needs["encoder"][0].step, Encoder | Floor):
        return []
    needs = {role: run.needs[role] for role in ("encoder", "train")}
    return [
        Run(
            step=run.step,
            title=f"{run.title}, on other data",
            needs={**needs, **tests},
            cost=run.cost * max(1.0, len(tests) / len(home)),
        )
    ]


def _segmentation_runs(run: Run[Segmenter], places: Sequence[_Place]) -> list[Run[Transferred | Segmenter]]:
    """Return the runs that score one run's network on other data."""
    step = run.step
    found: list[Run[Transferred | Segmenter]] = []
    for place in places:
        test = place.tests.get(step.task)
        if test is None:
            continue
        name = elsewhere(step.task, place.name)
        title = f"segment {place.name} with {step.model} of {step.task}, seed {step.seed}"
        cost = 2 + image_count(part.step.task for part in test) / 5
        if step.taken is not None:
            moved = step.model_copy(update={"task": name, "test_set": f"{name}:test"})
            found.append(Run(step=moved, title=title, needs={"test": test}, cost=cost))
            continue
        as_it_is = Transferred(
            model=step.model,
            task=name,
            training_set=step.training_set,
            test_set=f"{name}:test",
            seed=step.seed,
        )
        found.append(Run(step=as_it_is, title=title, needs={"network": (run,), "test": test}, cost=cost))
    return found
