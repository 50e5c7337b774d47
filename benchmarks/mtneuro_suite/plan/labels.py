"""The runs of label efficiency: each of the tables' runs again, with a part of the labels.

A supervised encoder and a segmentation network are trained again, as many steps as with all labels. What
learns without labels is trained once, on all images, and read out again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from mtneuro_data import TaskSpec

from mtneuro_suite.plan.arrays import arrays_run
from mtneuro_suite.plan.costs import image_count
from mtneuro_suite.plan.inputs import Inputs, parts
from mtneuro_suite.preset.model import Preset, RegionPreset, SegmentationPreset, SemanticsPreset
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Arrays, Dense, Encoder, FewLabels, Regions, Segmenter, Semantics
from mtneuro_suite.steps.few_labels import labelled
from mtneuro_suite.steps.regions import TEST
from mtneuro_suite.steps.semantics import readout_gap

if TYPE_CHECKING:
    import mtneuro_seg
    import mtneuro_ssl


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRuns:
    """The runs with a part of the labels, by that part; all labels are the ordinary runs."""

    regions: Mapping[float, tuple[Run[Regions], ...]] = field(default_factory=dict)
    microstructure: Mapping[float, tuple[Run[Segmenter | Dense], ...]] = field(default_factory=dict)
    semantics: tuple[Run[FewLabels], ...] = ()
    """Each of all parts."""

    @property
    def ends(self) -> list[Run[Regions | Segmenter | Dense | FewLabels]]:
        """All of them."""
        groups = (*self.regions.values(), *self.microstructure.values())
        return [*(run for group in groups for run in group), *self.semantics]


def label_runs(
    preset: Preset,
    inputs: Inputs,
    *,
    regions: Sequence[Run[Regions]],
    microstructure: Sequence[Run[Segmenter | Dense]],
    semantics: Sequence[Run[Semantics]],
) -> LabelRuns:
    """Return the runs with each part of the labels that a preset asks for.

    Parameters
    ----------
    preset, inputs
        What to run, and on what.
    regions, microstructure, semantics
        The runs of Tables 1, 2 and 3, which have all labels.

    Raises
    ------
    ValueError
        If a part leaves a network fewer images than it can be trained on.
    """
    one, two, three = preset.task1, preset.task2, preset.task3
    trained = [run for run in microstructure if "train" in run.needs]
    return LabelRuns(
        regions={part: tuple(_region_run(run, inputs, part) for run in regions) for part in _parts(one)},
        microstructure={
            part: tuple(_segmentation_run(run, inputs, part) for run in trained) for part in _parts(two)
        },
        semantics=tuple(_semantics_run(run, _parts(three)) for run in semantics if _parts(three)),
    )


def _parts(section: RegionPreset | SegmentationPreset | SemanticsPreset | None) -> tuple[float, ...]:
    """Return the parts below all labels."""
    return tuple(part for part in section.labels if part < 1) if section else ()


def _cut(runs: Sequence[Run], fraction: float, inputs: Inputs) -> tuple[tuple[Run[Arrays], ...], int, int]:
    """Return runs that load a part of what some load, cut over all of them as one.

    Behind them stands how many images all load, and how many the part.
    """
    tasks = [cast("Run[Arrays]", run).step.task for run in runs]
    whole = tasks[0].replaced(
        splits={"all": tuple(part for task in tasks for part in task.splits["all"])},
        cubes={name: cube for task in tasks for name, cube in task.cubes.items()},
    )
    few: tuple[TaskSpec, ...] = parts(
        whole.with_labels(fraction, splits="all"),
        ("all",),
        downsample=whole.downsample,
        z_step=whole.z_step,
    )
    return tuple(arrays_run(task, inputs.fingerprints) for task in few), image_count(tasks), image_count(few)


def _region_run(run: Run[Regions], inputs: Inputs, fraction: float) -> Run[Regions]:
    """Return the run that scores an encoder read out, or trained, with a part of the labels."""
    step, encoder = run.step, run.needs["encoder"][0]
    train, images, count = _cut(run.needs["train"], fraction, inputs)
    linear = step.linear
    if linear is not None:
        linear = linear.model_copy(update=_as_many_steps(linear, images, count))
    if step.supervised and isinstance(encoder.step, Encoder) and encoder.step.taken is None:
        settings = encoder.step.train
        settings = settings.model_copy(update=_as_many_steps(settings, images, count))
        encoder = Run(
            step=encoder.step.model_copy(update={"train": settings}),
            title=labelled(encoder.title, fraction),
            needs={"train": train},
            cost=encoder.cost,
        )
    tests = {labelled(role, fraction): runs for role, runs in run.needs.items() if role.startswith(TEST)}
    key = {"training_set": labelled(step.training_set, fraction, count), "linear": linear}
    return Run(
        step=step.model_copy(update=key),
        title=labelled(run.title, fraction),
        needs={"encoder": (encoder,), "train": train, **tests},
        cost=run.cost,
    )


def _as_many_steps(settings: "mtneuro_ssl.TrainSettings", images: int, count: int) -> dict[str, int]:
    """Return what changes in a training when ``count`` of ``images`` have labels: no number of steps."""
    return {"steps": settings.total_steps(images), "batch_size": min(settings.batch_size, count)}


def _segmentation_run(run: Run[Segmenter | Dense], inputs: Inputs, fraction: float) -> Run[Segmenter | Dense]:
    """Return the run that trains a network, or a head on a frozen encoder, with a part of the labels."""
    step = run.step
    train, images, count = _cut(run.needs["train"], fraction, inputs)
    change: dict[str, object] = {
        "task": labelled(step.task, fraction),
        "training_set": labelled(step.training_set, fraction, count),
    }
    if isinstance(step, Segmenter):
        change["train"] = _as_long(step.train, images, count, name=step.model, fraction=fraction)
    return replace(
        run,
        step=step.model_copy(update=change),
        title=labelled(run.title, fraction),
        needs={**run.needs, "train": train},
    )


def _as_long(
    settings: "mtneuro_seg.TrainSettings", images: int, count: int, *, name: str, fraction: float
) -> "mtneuro_seg.TrainSettings":
    least = settings.size_rule.least_batch
    if count < least:
        raise ValueError(
            f"task2.labels must leave {name!r} at least {least} images (batch normalisation), got {count} of "
            f"{images} at {fraction:g}; raise the smallest fraction, or lower task2.z_step"
        )
    size = min(settings.batch_size, count)
    return settings.model_copy(
        update={
            "steps": settings.total_steps(images),
            "batch_size": size,
            "accumulate": min(settings.accumulate, size),
        }
    )


def _semantics_run(run: Run[Semantics], fractions: tuple[float, ...]) -> Run[FewLabels]:
    """Return the run that reads features off the embeddings of another by parts of the labels."""
    step = run.step
    depth = cast("Run[Arrays]", run.needs["samples"][0]).step.task.depth
    return Run(
        step=FewLabels(
            model=step.model,
            seed=step.seed,
            task=step.task,
            training_set=step.training_set,
            fractions=fractions,
            gap=readout_gap(depth),
        ),
        title=f"{run.title}, with fewer labels",
        needs={"semantics": (run,), "features": run.needs["features"]},
        cost=1 + len(fractions),
    )
