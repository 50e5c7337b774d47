"""The runs of what any encoder should beat: one statistic of the images in place of an embedding."""

from collections.abc import Iterable

from mtneuro_data import TaskSpec

from mtneuro_suite.preset.model import FloorOfFeatures, RegionPreset, SemanticsPreset
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Arrays, Floor

REGION: FloorOfFeatures = "region"


def asked_floors(one: RegionPreset, three: SemanticsPreset | None) -> tuple[FloorOfFeatures, ...]:
    """Return the floors that either table asks for, each once.

    Examples
    --------
    >>> asked_floors(RegionPreset(floors=("spectrum",)), SemanticsPreset(floors=("region", "spectrum")))
    ('spectrum', 'region')
    """
    return tuple(dict.fromkeys((*one.floors, *(three.floors if three else ()))))


def floor_run(statistic: FloorOfFeatures, train: tuple[Run[Arrays], ...]) -> Run[Floor]:
    """Return the run that stands in an encoder's place."""
    return Run(
        step=Floor(statistic=statistic),
        title=f"set up the floor {statistic}",
        needs={"train": train},
        cost=0.2,
    )


def several_regions(tasks: Iterable[TaskSpec]) -> bool:
    """Return whether the samples of tasks are of two regions or more.

    Examples
    --------
    >>> from mtneuro_data import builtin_task
    >>> several_regions([builtin_task("semantics")])
    True
    """
    return len({cube.region for task in tasks for cube in task.cubes.values()}) > 1
