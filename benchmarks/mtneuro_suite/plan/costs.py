"""What every kind of run is planned with: checked settings, roles, counts and costs."""

import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

from mtneuro_data import TaskSpec
from pydantic import BaseModel, ValidationError

from mtneuro_suite.plan.inputs import Inputs
from mtneuro_suite.preset.model import did_you_mean, one_line
from mtneuro_suite.runs.run import Run


def merged_settings(model: type[BaseModel], where: str, *layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return training settings, validated and whole, from layers of which the last wins.

    Raises
    ------
    ValueError
        If a key or a value is not allowed.
    """
    # TOML has no null: "none" stands for it.
    merged = {key: None if value == "none" else value for layer in layers for key, value in layer.items()}
    try:
        return model.model_validate(merged).model_dump(mode="json")
    except ValidationError as error:
        raise ValueError(one_line(error, where, list(model.model_fields))) from None


def check_known(kind: str, names: Iterable[str], allowed: Sequence[str]) -> None:
    """Raise ``ValueError`` at the first name that is not allowed, with the nearest one."""
    for name in names:
        if name not in allowed:
            raise ValueError(
                f"{kind} must be one of {', '.join(allowed)}, got {name!r}{did_you_mean(name, allowed)}"
            )


def arrays_run(task: TaskSpec, inputs: Inputs) -> Run:
    """Return the run that loads one part of a task."""
    part = task.splits["all"][0]
    uris = [uri for uri in (task.image, task.annotation) if uri]
    files = {uri: inputs.fingerprints[uri] for uri in uris if uri in inputs.fingerprints}
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
        kind="arrays",
        title=f"{what} of {cubes}, z {part.z[0]}-{part.z[1]}{scale}{depth}",
        settings={"task": task.model_dump(mode="json"), "files": files},
        cost=0.5 + voxels * channels / 1.5e6,
    )


def image_count(tasks: Iterable[TaskSpec]) -> int:
    """Return how many images (or subvolumes) the tasks load."""
    return sum(
        len(part.cubes) * -(-(part.z[1] - part.z[0]) // (task.z_step * task.depth))
        for task in tasks
        for part in task.splits["all"]
    )


def pixel_count(task: TaskSpec) -> int:
    """Return the pixels of one slice of a task's images."""
    cube = next(iter(task.cubes.values()))
    return prod(hi - lo for lo, hi in (cube.y, cube.x)) // task.downsample**2


def with_roles(**groups: Sequence[Run]) -> tuple[dict[str, list[int]], tuple[Run, ...]]:
    """Return which needs play which role, and the needs in order.

    Examples
    --------
    >>> a, b = (Run(kind="arrays", title=name, settings={}) for name in "ab")
    >>> with_roles(train=[a], test=[b])[0]
    {'train': [0], 'test': [1]}
    """
    roles: dict[str, list[int]] = {}
    needs: list[Run] = []
    for role, runs in groups.items():
        roles[role] = list(range(len(needs), len(needs) + len(runs)))
        needs.extend(runs)
    return roles, tuple(needs)


def forward_cost(pixels: float) -> float:
    """Return the seconds of a ResNet-18 forward pass: 4.43 GFLOP for 64 x 64 pixels, 60 GFLOP/s a core."""
    return pixels / 4096 * 4.43 / 60


def factory_digest(factory: str) -> str:
    """Return the digest of the file that a user's ``package.module:factory`` stands in.

    Raises
    ------
    ValueError
        If there is no such module, or it has no such name.
    """
    module, _, name = factory.partition(":")
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        near = [entry for entry in sys.path if entry][:1]
        raise ValueError(
            f"{factory!r} must name a module that Python finds, and {module!r} is not one; run the command "
            f"in the module's folder, or set PYTHONPATH to it (looked in {near[0] if near else 'no folder'} "
            "and further)"
        )
    text = Path(spec.origin).read_bytes()
    if name.encode() not in text:
        raise ValueError(f"{factory!r} must name a function in {module}, which holds no {name!r}")
    return hashlib.sha256(text).hexdigest()[:16]


def folder_digest(folder: Path) -> str:
    """Return the digest of a model folder's weights and settings.

    Raises
    ------
    FileNotFoundError
        If one of its two files is missing.
    """
    hasher = hashlib.sha256()
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"a model's folder must hold {name}, got {folder} without it")
        with (folder / name).open("rb") as file:
            hasher.update(hashlib.file_digest(file, "sha256").digest())
    return hasher.hexdigest()[:16]
