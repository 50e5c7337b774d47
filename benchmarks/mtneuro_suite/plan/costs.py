"""How much the runs of a task read, and roughly how long a network takes over it."""

from collections.abc import Iterable
from math import prod

from mtneuro_data import TaskSpec


def image_count(tasks: Iterable[TaskSpec]) -> int:
    """Return how many images (or subvolumes) the tasks load."""
    return sum(task.counts()["all"] for task in tasks)


def pixel_count(task: TaskSpec) -> int:
    """Return the pixels of one slice of a task's images."""
    cube = next(iter(task.cubes.values()))
    return prod(hi - lo for lo, hi in (cube.y, cube.x)) // task.downsample**2


def forward_cost(pixels: float) -> float:
    """Return the seconds of a ResNet-18 forward pass: 4.43 GFLOP for 64 x 64 pixels, 60 GFLOP/s a core."""
    return pixels / 4096 * 4.43 / 60
