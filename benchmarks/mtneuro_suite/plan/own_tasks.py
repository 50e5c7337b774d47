"""A user's own dataset: what the three tasks read, from task files."""

from mtneuro_data import TaskSpec

from mtneuro_suite.plan.inputs import (
    Inputs,
    RegionInput,
    SegmentationInput,
    joined_splits,
    local_fingerprints,
    parts,
)
from mtneuro_suite.preset.model import Preset
from mtneuro_suite.preset.task_files import read_tasks


def task_inputs(preset: Preset) -> Inputs:
    """Return what the runs read, where the preset names task files."""
    tasks = read_tasks(preset.task_files)
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
            val = ("val",) if two.search else ()
            learnt = ("train",) if two.search else learnt
            segmentation.append(
                SegmentationInput(
                    name=task.name,
                    classes=task.name,
                    class_names=task.class_names,
                    dimensions=3 if task.depth > 1 else 2,
                    train=parts(task, learnt, downsample=two.downsample, z_step=two.z_step),
                    training_set=joined_splits(task.name, learnt),
                    val=parts(task, val, downsample=two.downsample, z_step=two.z_step),
                    test=parts(task, ("test",), downsample=two.downsample, z_step=two.test_z_step),
                )
            )
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
        semantics_downsample=(three and three.downsample) or (one.downsample[0] if one else 1),
        label_values=values,
        fingerprints=local_fingerprints(tasks),
        caveat=f"Your own data ({', '.join(task.name for task in tasks)}): nothing of it is in the paper.",
    )
