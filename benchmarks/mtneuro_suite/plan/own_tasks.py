"""What the three tasks read where they are not the paper's: a user's task files, or tasks made here."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from mtneuro_data import TaskSpec

from mtneuro_suite.plan.inputs import (
    Inputs,
    RegionInput,
    SegmentationInput,
    joined_splits,
    parts,
    segmentation_input,
)
from mtneuro_suite.preset.model import (
    TASKS_OWN,
    Preset,
    RegionPreset,
    SegmentationPreset,
    SemanticsPreset,
)
from mtneuro_suite.preset.task_files import learnt_splits, read_tasks, regions_to_tell_apart

SectionT = TypeVar("SectionT", RegionPreset, SegmentationPreset, SemanticsPreset)


def task_file_inputs(preset: Preset) -> Inputs:
    """Return what the runs of a preset with task files read."""
    tasks = read_tasks(preset.task_files)
    names = ", ".join(task.name for task in tasks)
    return task_inputs(preset, tasks, caveat=f"Your own data ({names}): nothing of it is in the paper.")


def task_inputs(preset: Preset, tasks: Sequence[TaskSpec], *, caveat: str) -> Inputs:
    """Return what the runs read, given the tasks themselves, each with the preset's settings for its kind.

    Raises
    ------
    ValueError
        If a search finds no split to select on, or a feature is of no class of its task.
    """
    regions: list[RegionInput] = []
    segmentation: list[SegmentationInput] = []
    semantics: tuple[TaskSpec, ...] = ()
    values: dict[str, int] = {}
    features: tuple[str, ...] = ()
    free = TASKS_OWN if preset.inputs == "tasks" else {}
    for task in tasks:
        one = _settings(preset.task1, task, free.get("task1", frozenset()))
        two = _settings(preset.task2, task, free.get("task2", frozenset()))
        three = _settings(preset.task3, task, free.get("task3", frozenset()))
        if task.kind == "region" and one:
            regions.append(_learnt_from(task, one))
        elif task.kind == "segmentation" and two:
            if two.search and "val" not in task.splits:
                raise ValueError(f"a search selects on the split 'val', which task {task.name!r} lacks")
            segmentation.append(segmentation_input(task, two, classes=task.name, learnt=learnt_splits(task)))
        elif task.kind == "semantics" and three:
            semantics = parts(task, ("all",), downsample=task.downsample, z_step=three.z_step)
            values = {name: value for value, name in enumerate(task.class_names) if value}
            features = _features(task, values)
            if one and all(other.kind != "region" for other in tasks):
                regions.append(_learnt_from(task, one))
    return Inputs(
        regions=tuple(regions),
        segmentation=tuple(segmentation),
        semantics=semantics,
        label_values=values,
        features=features,
        caveat=caveat,
    )


def _settings(given: SectionT | None, task: TaskSpec, free: frozenset[str]) -> SectionT | None:
    """Return how a kind of task is run; of the fields ``free``, those that are not set are the task's own."""
    if given is None:
        return None
    downsample = (task.downsample,) if isinstance(given, RegionPreset) else task.downsample
    own = {"downsample": downsample, "z_step": task.z_step, "test_z_step": task.z_step}
    return given.model_copy(update={key: own[key] for key in free - given.model_fields_set})


def _features(task: TaskSpec, classes: Iterable[str]) -> tuple[str, ...]:
    from mtneuro_probe import feature_names

    try:
        return feature_names(classes, task.features)
    except ValueError as error:
        raise ValueError(f"task {task.name!r}: {error}") from None


def _learnt_from(task: TaskSpec, one: RegionPreset) -> RegionInput:
    """Return what encoders learn from; a region task scores them, where there are regions to tell apart."""
    factor, learnt = one.downsample[0], learnt_splits(task)
    several = len(regions_to_tell_apart(task)) > 1
    scored = several and task.kind == "region"
    return RegionInput(
        name=task.name,
        trained_in=task.name,
        train=parts(task, learnt, downsample=factor, z_step=one.z_step),
        training_set=joined_splits(task.name, learnt),
        test=parts(task, ("test",), downsample=factor, z_step=one.test_z_step) if scored else (),
        column=task.name,
        paper_column="",
        downsample=factor,
        several=several,
    )
