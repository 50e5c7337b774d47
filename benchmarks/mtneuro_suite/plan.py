"""From a preset to its runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from mtneuro_data import TaskSpec
from pydantic import BaseModel, ValidationError

from mtneuro_suite.inputs import Inputs, RegionInput, SegmentationInput, paper_inputs
from mtneuro_suite.paper import NETWORK_ROWS
from mtneuro_suite.preset import (
    Preset,
    RegionPreset,
    SegmentationPreset,
    SemanticsPreset,
    did_you_mean,
    one_line,
)
from mtneuro_suite.real_sample import real_sample_inputs
from mtneuro_suite.run import Run, with_needs

CLASSICAL = ("pca", "nmf")
PASSES = {"supervised": 3, "supervised+mixup": 3, "byol": 2, "myow": 3, "myow-m": 3}
"""Cost of one step of a method, in forward passes of an image (supervised) or of four crops of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A preset's runs, by what the tables and the report ask of them."""

    preset: Preset
    inputs: Inputs
    regions: tuple[Run, ...]
    encoders: tuple[Run, ...]
    segmenters: tuple[Run, ...]
    features: Run | None
    semantics: tuple[Run, ...]
    umap: tuple[Run, ...]

    @property
    def runs(self) -> list[Run]:
        """Every run, needs first."""
        ends = [*self.regions, *self.segmenters, *self.semantics, *self.umap]
        return with_needs(ends)


def _settings(model: type[BaseModel], where: str, *layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return training settings, validated and whole, from layers of which the last wins."""
    # TOML has no null: "none" stands for it.
    merged = {key: None if value == "none" else value for layer in layers for key, value in layer.items()}
    try:
        return model.model_validate(merged).model_dump(mode="json")
    except ValidationError as error:
        raise ValueError(one_line(error, where, list(model.model_fields))) from None


def _known(kind: str, names: Iterable[str], allowed: Sequence[str]) -> None:
    for name in names:
        if name not in allowed:
            raise ValueError(
                f"{kind} must be one of {', '.join(allowed)}, got {name!r}{did_you_mean(name, allowed)}"
            )


def _arrays_run(task: TaskSpec, inputs: Inputs) -> Run:
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


def _image_count(tasks: Iterable[TaskSpec]) -> int:
    return sum(
        len(part.cubes) * -(-(part.z[1] - part.z[0]) // (task.z_step * task.depth))
        for task in tasks
        for part in task.splits["all"]
    )


def _pixels(task: TaskSpec) -> int:
    cube = next(iter(task.cubes.values()))
    return prod(hi - lo for lo, hi in (cube.y, cube.x)) // task.downsample**2


def _with_roles(**groups: Sequence[Run]) -> tuple[dict[str, list[int]], tuple[Run, ...]]:
    """Return which needs play which role, and the needs in order."""
    roles: dict[str, list[int]] = {}
    needs: list[Run] = []
    for role, runs in groups.items():
        roles[role] = list(range(len(needs), len(needs) + len(runs)))
        needs.extend(runs)
    return roles, tuple(needs)


def mixup_variants(preset: RegionPreset) -> dict[str, float]:
    """Return the names under which mixup's results are kept, with their probabilities."""
    return {f"supervised+mixup p={p:g}": p for p in preset.mixup_probabilities}


def _variants(preset: RegionPreset) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the methods to train: row name, method, and the settings that the name stands for."""
    found: list[tuple[str, str, dict[str, Any]]] = []
    for method in preset.methods:
        if method == "supervised+mixup":
            found += [(name, method, {"mixup_probability": p}) for name, p in mixup_variants(preset).items()]
        else:
            found.append((method, method, {}))
    return found


def _forward_cost(pixels: float) -> float:
    """Return the seconds of a ResNet-18 forward pass: 4.43 GFLOP for 64 x 64 pixels, 60 GFLOP/s a core."""
    return pixels / 4096 * 4.43 / 60


def _encoder_cost(settings: Mapping[str, Any], images: int, pixels: int) -> float:
    method = settings["method"]
    if method not in PASSES:
        return 40 if method == "nmf" else 3
    steps = settings["steps"] or settings["epochs"] * max(1, images // settings["batch_size"])
    return steps * settings["batch_size"] * PASSES[method] * _forward_cost(pixels)


def _region_runs(
    preset: Preset, one: RegionPreset, inputs: Inputs
) -> tuple[dict[tuple[str, str, int], Run], list[Run], list[RegionInput]]:
    from mtneuro_ssl import TrainSettings, method_names

    _known("task1.methods", one.methods, method_names())
    _known("task1.per_method", one.per_method, one.methods)
    encoders: dict[tuple[str, str, int], Run] = {}
    scores: list[Run] = []
    trained = [region for region in inputs.regions if region.trained_in == region.name]
    for region in trained:
        train = [_arrays_run(task, inputs) for task in region.train]
        images = _image_count(region.train)
        tested = [other for other in inputs.regions if other.trained_in == region.name]
        tests = {f"test {other.name}": [_arrays_run(task, inputs) for task in other.test] for other in tested}
        crops = 4 * (images + sum(_image_count(other.test) for other in tested))
        for row, method, chosen in _variants(one):
            for seed in preset.seeds if method != "pca" else preset.seeds[:1]:
                settings = _settings(
                    TrainSettings,
                    f"settings of {method}",
                    one.settings,
                    one.per_method.get(method, {}),
                    chosen,
                    {"method": method, "seed": seed, "device": preset.device},
                )
                if method in PASSES and images < settings["batch_size"]:
                    raise ValueError(
                        f"{method!r} on {region.name} must have at least batch_size {settings['batch_size']} "
                        f"training images, got {images}; lower task1.settings.batch_size or task1.z_step"
                    )
                roles, needs = _with_roles(train=train)
                encoder = Run(
                    kind="encoder",
                    title=f"train {row} on {region.name}, seed {seed}",
                    settings={"train": settings, "roles": roles},
                    needs=needs,
                    cost=_encoder_cost(settings, images, _pixels(region.train[0])),
                )
                encoders[row, region.name, seed] = encoder
                roles, needs = _with_roles(encoder=[encoder], train=train, **tests)
                scores.append(
                    Run(
                        kind="regions",
                        title=f"score {row} from {region.name}, seed {seed}",
                        settings={
                            "model": row,
                            "supervised": method.startswith("supervised"),
                            "seed": seed,
                            "training_set": region.training_set,
                            "roles": roles,
                        },
                        needs=needs,
                        cost=2
                        + (0 if method in CLASSICAL else crops * _forward_cost(_pixels(region.train[0]) / 4)),
                    )
                )
    return encoders, scores, trained


def _segmenter_runs(preset: Preset, two: SegmentationPreset, inputs: Inputs) -> list[Run]:
    from mtneuro_seg import TrainSettings, model_names, network, paper_settings

    _known("task2.models", two.models, model_names())
    _known("task2.per_model", two.per_model, two.models)

    def settings_of(model: str, half: SegmentationInput, seed: int) -> dict[str, Any]:
        paper: dict[str, Any] = {}
        if two.paper_settings and model in NETWORK_ROWS:
            paper = paper_settings(model, int(half.classes[0])).model_dump(
                include={"learning_rate", "batch_size"}
            )
        return _settings(
            TrainSettings,
            f"settings of {model}",
            paper,
            two.settings,
            two.per_model.get(model, {}),
            {"model": model, "seed": seed, "device": preset.device, "classes": int(half.classes[0])},
        )

    runs: list[Run] = []
    for half in inputs.segmentation:
        train = [_arrays_run(task, inputs) for task in half.train]
        test = [_arrays_run(task, inputs) for task in half.test]
        images = _image_count(half.train)
        for model in two.models:
            if network(model).axes != half.dimensions:
                continue
            for seed in preset.seeds:
                settings = settings_of(model, half, seed)
                _check_fit(half, settings)
                steps = settings["steps"] or settings["epochs"] * max(1, images // settings["batch_size"])
                pixels = _pixels(half.train[0]) * half.train[0].depth
                roles, needs = _with_roles(train=train, test=test)
                runs.append(
                    Run(
                        kind="segmenter",
                        title=f"segment with {model}, {half.name}, seed {seed}",
                        settings={
                            "model": model,
                            "task": half.name,
                            "training_set": half.training_set,
                            "seed": seed,
                            "train": settings,
                            "roles": roles,
                        },
                        needs=needs,
                        cost=2 + steps * settings["batch_size"] * pixels / 1e5,
                    )
                )
    return runs


def _check_fit(half: SegmentationInput, settings: Mapping[str, Any]) -> None:
    """Raise if a network cannot take the images of its task."""
    from mtneuro_seg import TrainSettings

    task = half.train[0]
    cube = next(iter(task.cubes.values()))
    depth = (task.depth,) if half.dimensions == 3 else ()
    size = (*depth, *((hi - lo) // task.downsample for lo, hi in (cube.y, cube.x)))
    rule = TrainSettings.model_validate(settings).size_rule
    if not rule.fits(size):
        near = " x ".join(str(side) for side in rule.padded(size))
        raise ValueError(
            f"{settings['model']!r} must be given images that it takes, got {' x '.join(map(str, size))} "
            f"({half.name}); the nearest it takes is {near}: lower task2.downsample"
        )


def check_sources(runs: Iterable[Run]) -> None:
    """Open every volume that the runs read, and check that their boxes lie inside.

    Raises
    ------
    ValueError
        If a volume is not what its name says, or a box leaves it.
    OSError
        If a volume cannot be reached.
    """
    from mtneuro_data.loading import check_volumes, open_task

    for run in runs:
        if run.kind == "arrays":
            task = TaskSpec.model_validate(run.settings["task"])
            check_volumes(task, task.boxes("all"), *open_task(task))


def _semantics_runs(
    preset: Preset,
    three: SemanticsPreset,
    inputs: Inputs,
    encoders: Mapping[tuple[str, str, int], Run],
    trained: Sequence[RegionInput],
) -> tuple[Run, list[Run], list[Run]]:
    from mtneuro_probe import block_splits

    _known("task3.umap_method", (three.umap_method,), preset.task1.methods if preset.task1 else ())
    positions = [position for task in inputs.semantics for position in task.samples("all")]
    # Raises where the slices are too few for the cross-validation.
    block_splits(np.array([cube for cube, _ in positions]), np.array([z for _, z in positions]))
    samples = [_arrays_run(task, inputs) for task in inputs.semantics]
    roles, needs = _with_roles(samples=samples)
    features = Run(
        kind="features",
        title="measure the semantic features",
        settings={"view": three.view, "label_values": dict(inputs.label_values), "roles": roles},
        needs=needs,
        cost=3,
    )
    images = _image_count(inputs.semantics)
    pixels = _pixels(inputs.semantics[0]) // inputs.semantics_downsample**2
    read_out = three.encoders if preset.inputs == "paper" else tuple(region.name for region in trained)
    training_sets = {region.name: region.training_set for region in trained}
    runs: dict[tuple[str, str, int], Run] = {}
    for (row, task, seed), encoder in encoders.items():
        if task not in read_out:
            continue
        roles, needs = _with_roles(encoder=[encoder], samples=samples, features=[features])
        runs[row, task, seed] = Run(
            kind="semantics",
            title=f"read features off {row} from {task}, seed {seed}",
            settings={
                "model": row,
                "seed": seed,
                "task": task,
                "training_set": training_sets[task],
                "view": three.view,
                "downsample": inputs.semantics_downsample,
                "roles": roles,
            },
            needs=needs,
            cost=3 + images * _forward_cost(pixels),
        )
    drawn: list[Run] = []
    # Of mixup's variants the first.
    drawn_row = next(row for row, _, _ in runs if row.split()[0] == three.umap_method)
    for task in read_out:
        roles, needs = _with_roles(semantics=[runs[drawn_row, task, preset.seeds[0]]])
        drawn.append(
            Run(
                kind="umap",
                title=f"UMAP of {three.umap_method} from {task}",
                # The paper's seed; the figure is of one run.
                settings={"neighbours": three.umap_neighbours, "seed": 42, "roles": roles},
                needs=needs,
                cost=15,
            )
        )
    return features, list(runs.values()), drawn


def plan(preset: Preset, *, data: Path | None = None) -> Plan:
    """Return a preset's runs, everything checked that can be known before they start.

    Parameters
    ----------
    preset
        What to run.
    data
        Folder of real files, for presets whose ``inputs`` are ``real-sample``.

    Raises
    ------
    ValueError
        If a method, a network, a setting or a range is not allowed.
    FileNotFoundError
        If a real file is missing.
    """
    if preset.inputs == "real-sample":
        if data is None:
            raise ValueError(f"preset {preset.name!r} reads real files: give their folder with --data")
        inputs = real_sample_inputs(preset, data)
    elif data is not None:
        raise ValueError(
            f"--data is read by the preset real-sample only, got preset {preset.name!r}; see --source"
        )
    else:
        inputs = paper_inputs(preset)
    encoders: dict[tuple[str, str, int], Run] = {}
    scores: list[Run] = []
    trained: list[RegionInput] = []
    if preset.task1:
        encoders, scores, trained = _region_runs(preset, preset.task1, inputs)
    segmenters = _segmenter_runs(preset, preset.task2, inputs) if preset.task2 else []
    features, semantics, drawn = None, [], []
    if preset.task1 and preset.task3:
        features, semantics, drawn = _semantics_runs(preset, preset.task3, inputs, encoders, trained)
    return Plan(
        preset=preset,
        inputs=inputs,
        regions=tuple(scores),
        encoders=tuple(encoders.values()),
        segmenters=tuple(segmenters),
        features=features,
        semantics=tuple(semantics),
        umap=tuple(drawn),
    )
