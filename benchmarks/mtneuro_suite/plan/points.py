"""The runs of clouds of points: those of the samples, the encoder that learns from them, and their scores."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mtneuro_data import TaskSpec, builtin_task

from mtneuro_suite._shared.words import unknown_name
from mtneuro_suite.plan.arrays import arrays_runs
from mtneuro_suite.plan.costs import image_count
from mtneuro_suite.plan.inputs import Inputs, RegionInput, source_of
from mtneuro_suite.plan.models import merged_settings
from mtneuro_suite.plan.rows import COUNTS, POINTS
from mtneuro_suite.preset.model import PointsPreset, Preset
from mtneuro_suite.preset.task_files import read_tasks
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import (
    PointEncoder,
    PointRegions,
    Points,
    PointSemantics,
    Segmenter,
    Semantics,
)
from mtneuro_suite.steps.regions import TEST

if TYPE_CHECKING:
    from mtneuro_ssl import TrainSettings

_TRUTH = "truth"

_OWN: dict[str, Any] = {
    "method": "supervised",
    "encoder": "deepsets",
    "latent_dim": 32,
    "optimiser": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "epochs": 100,
    "views": {"flip": 0.5, "rotate": True},
}
"""Training settings of the encoder where the preset says nothing."""

_BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PointRuns:
    """The runs of the rows ``points`` and ``counts``."""

    encoders: list[Run[PointEncoder]] = field(default_factory=list[Run[PointEncoder]])
    regions: list[Run[PointRegions]] = field(default_factory=list[Run[PointRegions]])
    semantics: list[Run[PointSemantics]] = field(default_factory=list[Run[PointSemantics]])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Labels:
    """Where the labels of the samples come from: a task that has them, or a network that predicts them."""

    class_names: tuple[str, ...]
    task: TaskSpec | None = None
    network: Run[Segmenter] | None = None
    downsample: int = 1
    """Reduction of the labels, or of the images that the network takes."""

    def of(self, task: TaskSpec) -> TaskSpec:
        """Return what is loaded for the labels of the samples of a task."""
        if self.task is None:
            return task.replaced(downsample=self.downsample)
        known = self.task.model_dump(include={"annotation", "class_names", "label_map"})
        own = {"roi_map": {}, "annotated_z": None, "region_vote": "region", "instances": None}
        return task.replaced(kind="semantics", features=(), downsample=self.downsample, **known, **own)


def point_runs(
    preset: Preset,
    inputs: Inputs,
    *,
    trained: Sequence[RegionInput],
    networks: Sequence[Run[Segmenter]],
    semantics: Sequence[Run[Semantics]],
) -> PointRuns:
    """Return the runs of clouds of points, where the preset asks for them.

    Parameters
    ----------
    preset, inputs
        What is run, and what it reads.
    trained
        Columns of Table 1 whose images are learnt from.
    networks
        The networks of Task 2, one of which may have to find the objects.
    semantics
        The other rows' runs of Task 3, whose samples and features these read too.

    Raises
    ------
    ValueError
        If nobody can say which objects the images hold, or there are no regions to tell apart.
    """
    one = preset.task1.points if preset.task1 else None
    found = PointRuns()
    if one is None:
        return found
    columns = [region for region in trained if region.depth == 1]
    if trained and not columns:
        raise ValueError(
            "task1.points needs a task of slices, whose objects are points in y and x, and task1.tasks has "
            f"subvolumes alone, such as {trained[0].name}: add one, such as roi-c1, or leave task1.points out"
        )
    if not columns or not all(region.several for region in columns):
        raise ValueError(
            "task1.points needs a task of slices with at least 2 regions to tell apart; leave it out"
        )
    labels = _labels(preset, one, inputs, networks)
    for region in columns:
        train = _points(region.train, labels, one, inputs, f"the training set of {region.name}")
        tests = {
            f"{TEST}{other.name}": (
                _points(other.test, labels, one, inputs, f"the test set of {other.name}"),
            )
            for other in inputs.tested(region.name)
        }
        read = next((run for run in semantics if run.step.task == region.name), None)
        samples = None if read is None else _points(inputs.semantics, labels, one, inputs, "Task 3's samples")
        for name, seed in ((COUNTS, preset.seeds[0]), *((POINTS, seed) for seed in preset.seeds)):
            encoder: tuple[Run, ...] = ()
            if name == POINTS:
                trained_run = _encoder(preset, one, region, train, seed=seed)
                found.encoders.append(trained_run)
                encoder = (trained_run,)
            role = {"encoder": encoder} if encoder else {}
            key: dict[str, Any] = {"model": name, "seed": seed, "training_set": region.training_set}
            if tests:
                found.regions.append(
                    Run(
                        step=PointRegions(**key),
                        title=f"score {name} from {region.name}, seed {seed}",
                        needs={**role, "train": (train,), **tests},
                        cost=1,
                    )
                )
            if read is not None and samples is not None:
                found.semantics.append(
                    Run(
                        step=PointSemantics(**key, task=region.name, view=read.step.view),
                        title=f"read features off {name} from {region.name}, seed {seed}",
                        needs={**role, "samples": (samples,), "features": read.needs["features"]},
                        cost=3,
                    )
                )
    return found


def _points(
    tasks: tuple[TaskSpec, ...], labels: _Labels, one: PointsPreset, inputs: Inputs, title: str
) -> Run[Points]:
    """Return the run that finds the objects in the images of some tasks."""
    network = {} if labels.network is None else {"network": (labels.network,)}
    return Run(
        step=Points(class_names=labels.class_names, minimum_area_px=one.minimum_area_px),
        title=f"find the objects of {title}",
        needs={
            "samples": arrays_runs(tasks, inputs.fingerprints),
            "labels": arrays_runs(tuple(map(labels.of, tasks)), inputs.fingerprints),
            **network,
        },
        cost=1 + image_count(tasks) / 100,
    )


def _encoder(
    preset: Preset, one: PointsPreset, region: RegionInput, train: Run[Points], *, seed: int
) -> Run[PointEncoder]:
    from mtneuro_ssl import TrainSettings

    images = image_count(region.train)
    settings = merged_settings(
        TrainSettings,
        f"task1.points.settings on {region.name}",
        {**_OWN, "batch_size": max(2, min(_BATCH, images))},
        one.settings,
        {"seed": seed, "device": preset.device},
    )
    _check_settings(settings, images, region.name)
    return Run(
        step=PointEncoder(train=settings),
        title=f"train {POINTS} on {region.name}, seed {seed}",
        needs={"train": (train,)},
        cost=2 + settings.total_steps(images) / 100,
    )


def _check_settings(settings: "TrainSettings", images: int, name: str) -> None:
    if not settings.of_points or settings.entry.family != "supervised":
        raise ValueError(
            "task1.points.settings must name an encoder of clouds and a supervised method, got "
            f"{settings.encoder!r} and {settings.method!r}"
        )
    if settings.batch_size > images:
        raise ValueError(
            f"{POINTS!r} on {name} must have at least batch_size {settings.batch_size} training images, got "
            f"{images}; lower task1.points.settings.batch_size"
        )


def _labels(preset: Preset, one: PointsPreset, inputs: Inputs, networks: Sequence[Run[Segmenter]]) -> _Labels:
    """Return where the labels come from."""
    if one.labels != _TRUTH:
        return _predicted(preset, one.labels, inputs, networks)
    if preset.inputs == "paper":
        base = preset.source.partition("?")[0]
        cubes = {
            name for region in inputs.regions for task in region.train + region.test for name in task.cubes
        }
        unlabelled = sorted(name for name in cubes if not name.startswith("A-"))
        if base == "bossdb" and unlabelled:
            raise ValueError(
                'task1.points.labels = "truth" needs pixel labels, and the volume has none in '
                f"{unlabelled[0]}: name a network of task2, or leave roi-c2 and roi-c3 out of task1.tasks"
            )
        task = builtin_task("semantics").with_source(source_of(preset.source))
        return _Labels(class_names=task.class_names, task=task)
    image = inputs.regions[0].train[0].image
    candidates = [task for task in read_tasks(preset.task_files) if task.annotation and task.class_names]
    same = [task for task in candidates if task.image == image]
    if not same:
        raise ValueError(
            f'task1.points.labels = "truth" needs pixel labels of {image}, which no task of kind '
            "segmentation or semantics has: give one, or name a network of task2"
        )
    return _Labels(class_names=same[-1].class_names, task=same[-1])


def _predicted(preset: Preset, name: str, inputs: Inputs, networks: Sequence[Run[Segmenter]]) -> _Labels:
    """Return the labels that a network predicts, of several seeds that of the first."""
    flat = [run for run in networks if run.step.train.network.axes == 2]
    named = [run for run in flat if run.step.model == name]
    if not named:
        known = [_TRUTH, *dict.fromkeys(run.step.model for run in flat)]
        raise ValueError(unknown_name("task1.points.labels", name, known))
    run = next((one for one in named if one.step.seed == preset.seeds[0]), named[0])
    (half,) = (half for half in inputs.segmentation if half.name == run.step.task)
    return _Labels(class_names=half.class_names, network=run, downsample=half.test[0].downsample)


def label_source(preset: Preset) -> str:
    """Return in words where the objects of the clouds come from; empty where no row is of clouds.

    Examples
    --------
    >>> from mtneuro_suite.preset.model import read_preset
    >>> label_source(read_preset("demo"))
    ''
    """
    one = preset.task1.points if preset.task1 else None
    if one is None:
        return ""
    return "the pixel labels themselves" if one.labels == _TRUTH else f"the prediction of {one.labels}"
