"""What the three tasks read where they are not the paper's: a user's task files, or tasks made here."""

from collections.abc import Sequence

from mtneuro_data import TaskSpec

from mtneuro_suite.plan.inputs import (
    Inputs,
    RegionInput,
    SegmentationInput,
    joined_splits,
    parts,
    segmentation_input,
)
from mtneuro_suite.preset.model import Preset
from mtneuro_suite.preset.task_files import read_tasks


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
        If a search finds no split to select on, or the features find no class to measure.
    """
    regions: list[RegionInput] = []
    segmentation: list[SegmentationInput] = []
    semantics: tuple[TaskSpec, ...] = ()
    values: dict[str, int] = {}
    one, two, three = preset.task1, preset.task2, preset.task3
    for task in tasks:
        learnt = tuple(name for name in ("train", "val") if name in task.splits)
        if task.kind == "region" and one:
            factor = one.downsample[0]
            regions.append(
                RegionInput(
                    name=task.name,
                    trained_in=task.name,
                    train=parts(task, learnt, downsample=factor, z_step=one.z_step),
                    training_set=joined_splits(task.name, learnt),
                    test=parts(task, ("test",), downsample=factor, z_step=one.test_z_step),
                    column=task.name,
                    paper_column="",
                    downsample=factor,
                )
            )
        elif task.kind == "segmentation" and two:
            if two.search and "val" not in task.splits:
                raise ValueError(f"a search selects on the split 'val', which task {task.name!r} lacks")
            segmentation.append(segmentation_input(task, two, classes=task.name, learnt=learnt))
        elif task.kind == "semantics" and three:
            semantics = parts(task, ("all",), downsample=1, z_step=three.z_step)
            values = {
                name: task.class_names.index(name)
                for name in ("vessel", "cell", "axon")
                if name in task.class_names
            }
            if not values:
                raise ValueError(
                    f"task {task.name!r} must have classes named vessel, cell or axon for its features, got "
                    f"{', '.join(task.class_names)}"
                )
    return Inputs(
        regions=tuple(regions),
        segmentation=tuple(segmentation),
        semantics=semantics,
        label_values=values,
        caveat=caveat,
    )
