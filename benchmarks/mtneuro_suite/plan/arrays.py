"""The runs that load what all others read."""

from collections.abc import Mapping
from math import prod

from mtneuro_data import TaskSpec

from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Arrays


def arrays_run(task: TaskSpec, fingerprints: Mapping[str, str]) -> Run[Arrays]:
    """Return the run that loads one part of a task.

    Parameters
    ----------
    task
        The part.
    fingerprints
        Digests of local files, by which another file of the same name is another input.
    """
    part = task.splits["all"][0]
    uris = [uri for uri in (task.image, task.annotation) if uri]
    files = {uri: fingerprints[uri] for uri in uris if uri in fingerprints}
    cubes = ", ".join(part.cubes) if len(part.cubes) <= 4 else f"{len(part.cubes)} cubes"
    side = next(iter(task.cubes.values()))
    voxels = len(part.cubes) * prod((hi - lo) for lo, hi in (part.z, side.y, side.x)) / task.z_step
    channels = 1 if task.annotation is None else 2
    what = {"region": "images", "segmentation": "images and labels", "semantics": "images and labels"}[
        task.kind
    ]
    scale = f" at 1/{task.downsample}" if task.downsample > 1 else ""
    depth = f", {task.depth} slices deep" if task.depth > 1 else ""
    return Run(
        step=Arrays(task=task, files=files),
        title=f"{what} of {cubes}, z {part.z[0]}-{part.z[1]}{scale}{depth}",
        cost=0.5 + voxels * channels / 1.5e6,
    )


def arrays_runs(tasks: tuple[TaskSpec, ...], fingerprints: Mapping[str, str]) -> tuple[Run[Arrays], ...]:
    """Return a run for each part."""
    return tuple(arrays_run(task, fingerprints) for task in tasks)
