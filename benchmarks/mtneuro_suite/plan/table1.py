"""The runs of Task 1: one training a row, training set and seed, and its scores."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mtneuro_suite.plan.arrays import arrays_runs
from mtneuro_suite.plan.costs import forward_cost, image_count, image_size, pixel_count
from mtneuro_suite.plan.floors import asked_floors, floor_run
from mtneuro_suite.plan.given import Given
from mtneuro_suite.plan.inputs import Inputs, RegionInput
from mtneuro_suite.plan.models import (
    CONFIG,
    check_factory,
    check_known,
    folder_digest,
    merged_settings,
    normalisation_of,
    taken_model,
)
from mtneuro_suite.plan.rows import TableRow, encoder_rows
from mtneuro_suite.preset.model import Preset, RegionPreset
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Arrays, Encoder, Floor, GivenEmbeddings, Regions
from mtneuro_suite.steps.regions import TEST

if TYPE_CHECKING:
    from mtneuro_ssl import TrainSettings

CLASSICAL = ("pca", "nmf")
PASSES = {
    "supervised": 3, "supervised+mixup": 3, "byol": 2, "myow": 3, "myow-m": 3, "simsiam": 2, "simclr": 2,
    "vicreg": 2, "barlow-twins": 2, "dino": 2, "mae": 0.1,
}  # fmt: skip
"""Cost of one step of a method, in forward passes of an image (supervised) or of four crops of it.

Those are a ResNet's; MAE trains a transformer of patches on a quarter of them."""

ADAPTING = ("fit", "channels", "output", "pooling", "layer")
"""Settings of how an encoder that is not ours is adapted to the images."""

Encoders = dict[tuple[str, str, int], Run[Encoder]]
"""Trained encoders by row, task and seed."""

Embedders = dict[tuple[str, str, int], Run[Encoder] | Run[GivenEmbeddings] | Run[Floor]]
"""Encoders, or embeddings or a floor in their place, by row, task and seed."""


def region_runs(
    preset: Preset,
    one: RegionPreset,
    inputs: Inputs,
    *,
    given: Mapping[str, Given],
    trusted: Collection[str] = (),
) -> tuple[Embedders, list[Run[Regions]], list[RegionInput]]:
    """Return the encoders, the runs that score them in Task 1, and what trains any.

    Raises
    ------
    ValueError
        If a method or a setting is not allowed, an encoder is not trusted, a supervised method has no regions
        to tell apart, or a batch is larger than its training set.
    """
    from mtneuro_ssl import method_names

    check_known("task1.methods", one.methods, method_names())
    check_known("task1.per_method", one.per_method, one.methods)
    check_known("task1.linear_stage", one.linear_stage, one.methods)
    check_known("task1.subvolumes.methods", one.subvolumes.methods or (), method_names())
    rows = encoder_rows(one)
    _check_regions(rows, inputs)
    encoders: Embedders = {}
    scores: list[Run[Regions]] = []
    floors: Embedders = {}
    of_floors: list[Run[Regions]] = []
    trained = [region for region in inputs.regions if region.trained_in == region.name]
    deep = {row.name: _is_deep(row) for row in rows}
    _check_axes(deep, trained)
    for region in trained:
        train = arrays_runs(region.train, inputs.fingerprints)
        tested = inputs.tested(region.name)
        tests = {f"{TEST}{other.name}": arrays_runs(other.test, inputs.fingerprints) for other in tested}
        crops = 4 * (image_count(region.train) + sum(image_count(other.test) for other in tested))
        pixels = pixel_count(region.train[0])
        for row in rows:
            own = given.get(row.name)
            if not (own.covers(region.depth) if own else _learns(row, region, one, deep[row.name])):
                continue
            for seed in preset.seeds if row.seeded else preset.seeds[:1]:
                linear = None
                if own:
                    encoder = own.run
                else:
                    encoder = _encoder_run(
                        row, region, train, one, seed=seed, device=preset.device, trusted=trusted
                    )
                    linear = _linear_stage(row, encoder.step.train, one, seed=seed, device=preset.device)
                encoders[row.name, region.name, seed] = encoder
                if not tests:
                    continue
                scores.append(
                    Run(
                        step=Regions(
                            model=row.name,
                            supervised=row.method.startswith("supervised"),
                            seed=seed,
                            training_set=region.training_set,
                            linear=linear,
                        ),
                        title=f"score {row.name} from {region.name}, seed {seed}",
                        needs={"encoder": (encoder,), "train": train, **tests},
                        cost=2
                        + (
                            0
                            if own or row.method in CLASSICAL
                            else crops * forward_cost(pixels / 4, region.depth)
                        )
                        + (
                            0
                            if linear is None
                            else _encoder_cost(linear, image_count(region.train), pixels, region.depth)
                        ),
                    )
                )
        for name in asked_floors(one, preset.task3):
            floor, seed = floor_run(name, train), preset.seeds[0]
            floors[name, region.name, seed] = floor
            if tests and name in one.floors:
                of_floors.append(
                    Run(
                        step=Regions(
                            model=name, supervised=False, seed=seed, training_set=region.training_set
                        ),
                        title=f"score {name} from {region.name}, seed {seed}",
                        needs={"encoder": (floor,), "train": train, **tests},
                        cost=1,
                    )
                )
    return encoders | floors, scores + of_floors, trained


def _check_regions(rows: Sequence[TableRow], inputs: Inputs) -> None:
    """Raise ``ValueError`` where a row learns to tell regions apart, and a training set has none."""
    names = list(dict.fromkeys(row.method for row in rows if row.method.startswith("supervised")))
    # What nothing is scored on serves Task 3, by the rows that learn without regions, if any has some.
    served = any(region.several for region in inputs.regions)
    without = [one.name for one in inputs.regions if not one.several and (one.test or not served)]
    if names and without:
        others = [row.method for row in rows if not row.own and row.method not in names] or ["byol"]
        raise ValueError(
            f"task1.methods {' and '.join(map(repr, names))} must have at least 2 regions to tell apart, and "
            f"task {without[0]!r} has fewer; leave them out "
            f"(--set 'task1.methods={json.dumps(list(dict.fromkeys(others)))}')"
        )


def _is_deep(row: TableRow) -> bool | None:
    """Return whether a row's encoder takes subvolumes; None where it is made for what it learns from."""
    if row.folder is None:
        return row.deep
    from mtneuro_ssl import TrainSettings

    return taken_model(row.folder, TrainSettings)[1].depth is not None


def _check_axes(deep: Mapping[str, bool | None], trained: Sequence[RegionInput]) -> None:
    """Raise ``ValueError`` where a row takes subvolumes and no task has any, or images and all have those."""
    there = {region.depth > 1 for region in trained}
    for name, wanted in deep.items():
        if wanted is not None and trained and wanted not in there:
            what, mend = (
                ("subvolumes", "add roi-c1-3d to task1.tasks, or give a task file with a depth")
                if wanted
                else ("images", "give it axes = 3 (--encoder …:3d) if it takes subvolumes too")
            )
            raise ValueError(f"row {name!r} takes {what}, and no task of task1 has any; {mend}")


def _learns(row: TableRow, region: RegionInput, one: RegionPreset, deep: bool | None) -> bool:
    """Return whether a row has an encoder for a column: one's own takes slices, or subvolumes."""
    if not region.several and row.method.startswith("supervised"):
        return False
    if deep is not None:
        return deep == (region.depth > 1)
    methods = one.subvolumes.methods
    return region.depth == 1 or methods is None or row.method in methods


def _of_subvolumes(depth: int) -> dict[str, int]:
    """Return what settings are where nothing else is said: as many slices in a step as images have."""
    from mtneuro_ssl import TrainSettings

    return {"depth": depth, "batch_size": max(1, TrainSettings().batch_size // depth)}


def _place(region: RegionInput) -> str:
    return "task1.subvolumes" if region.depth > 1 else "task1"


def _encoder_run(
    row: TableRow,
    region: RegionInput,
    train: tuple[Run[Arrays], ...],
    one: RegionPreset,
    *,
    seed: int,
    device: str,
    trusted: Collection[str],
) -> Run[Encoder]:
    from mtneuro_ssl import TrainSettings

    if row.folder is not None:
        taken, settings = taken_model(row.folder, TrainSettings)
        check_factory(settings.encoder, trusted, where=row.folder / CONFIG)
        return Run(step=Encoder(train=settings, taken=taken), title=f"take {row.name} as it is", cost=1)
    settings = merged_settings(
        TrainSettings,
        f"settings of {row.name}",
        {"normalisation": normalisation_of(run.step.task for run in train)},
        _of_subvolumes(region.depth) if region.depth > 1 else {},
        one.settings,
        one.per_method.get(row.method, {}),
        one.subvolumes.settings if region.depth > 1 else {},
        {"method": row.method, "seed": seed, "device": device},
        row.chosen,
    )
    if (settings.depth or 1) != region.depth:
        wanted = region.depth if region.depth > 1 else "none"
        raise ValueError(
            f"settings of {row.name} on {region.name}: depth must be {wanted}, which its samples have, got "
            f"{settings.depth}; leave it out"
        )
    if settings.method == "mae":
        _check_patches(settings, region)
    images = image_count(region.train)
    if row.method in PASSES and images < settings.batch_size:
        raise ValueError(
            f"{row.name!r} on {region.name} must have at least batch_size {settings.batch_size} training "
            f"images, got {images}; lower {_place(region)}.settings.batch_size or {_place(region)}.z_step"
        )
    check_factory(settings.encoder, trusted, where=f"row {row.name!r} of the preset")
    weights = settings.start_from or settings.encoder_weights
    folder = Path(weights) if weights and weights != "hub" else None
    return Run(
        step=Encoder(train=settings, weights=folder_digest(folder) if folder and folder.is_dir() else ""),
        title=f"train {row.name} on {region.name}, seed {seed}",
        needs={"train": train},
        cost=_encoder_cost(settings, images, pixel_count(region.train[0]), region.depth),
    )


def _check_patches(settings: "TrainSettings", region: RegionInput) -> None:
    """Raise ``ValueError`` where the views of a task's images are not made of whole patches."""
    from mtneuro_ssl import check_patches

    size = image_size(region.train[0])
    try:
        check_patches(settings, size if region.depth == 1 else (region.depth, *size))
    except ValueError as error:
        raise ValueError(f"settings of {settings.method} on {region.name}: {error}") from None


def _linear_stage(
    row: TableRow, encoder: "TrainSettings", one: RegionPreset, *, seed: int, device: str
) -> "TrainSettings | None":
    """Return the training of a linear layer that reads regions off a network, where it is asked for.

    Components, such as PCA's, have no network: a regression reads them off.
    """
    if one.readout == "corners" or encoder.entry.family not in ("self-supervised", "baseline"):
        return None
    return merged_settings(
        type(encoder),
        f"task1.linear_stage of {row.name}",
        encoder.model_dump(include={"encoder", "latent_dim", "image_size", "depth", "vit", *ADAPTING}),
        {"normalisation": "model"} if encoder.normalisation == "model" else {},
        {
            "train_encoder": False,
            "partial_batches": True,
            "weight_decay": 0.0,
            "dropout": 0.0,
            "mean": 0.0,
            "sd": 1.0,
        },
        one.linear_stage.get(row.paper_method or row.method, {}),
        {"method": "supervised", "seed": seed, "device": device},
    )


def _encoder_cost(settings: "TrainSettings", images: int, pixels: int, depth: int) -> float:
    method = settings.method
    if method not in PASSES:
        return 40 if method == "nmf" else 3
    steps = settings.steps or settings.epochs * max(1, images // settings.batch_size)
    return steps * settings.batch_size * PASSES[method] * forward_cost(pixels, depth)
