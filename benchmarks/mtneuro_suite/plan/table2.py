"""The runs of Task 2: one training a row, class setting and seed, or a search and what it chose."""

from collections.abc import Collection, Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtneuro_suite.plan.arrays import arrays_runs
from mtneuro_suite.plan.costs import image_count, pixel_count
from mtneuro_suite.plan.inputs import Inputs, SegmentationInput
from mtneuro_suite.plan.models import (
    CONFIG,
    check_factory,
    check_known,
    merged_settings,
    normalisation_of,
    taken_model,
)
from mtneuro_suite.plan.rows import TableRow, network_rows
from mtneuro_suite.preset.model import Preset, SearchPreset, SegmentationPreset
from mtneuro_suite.preset.paper import CLASS_SETTINGS, NETWORK_ROWS
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Segmenter, Selection
from mtneuro_suite.steps.segmentation_scores import ScoredNetwork

if TYPE_CHECKING:
    from mtneuro_seg import TrainSettings


def segmenter_runs(
    preset: Preset, two: SegmentationPreset, inputs: Inputs, *, trusted: Collection[str] = ()
) -> tuple[list[Run[ScoredNetwork]], list[Run[Segmenter]]]:
    """Return the runs whose scores are Table 2's, and those that train.

    Raises
    ------
    ValueError
        If a network or a setting is not allowed, a network is not trusted, or one cannot take its task's
        images.
    """
    from mtneuro_seg import model_names

    check_known("task2.models", two.models, model_names())
    check_known("task2.per_model", two.per_model, two.models)
    scored: list[Run[ScoredNetwork]] = []
    trained: list[Run[Segmenter]] = []
    for half in inputs.segmentation:
        for row in network_rows(two):
            for seed in preset.seeds if row.seeded else preset.seeds[:1]:
                if row.folder is not None:
                    runs = _taken(row, row.folder, half, inputs, trusted=trusted)
                    scored += runs
                    trained += runs
                    continue
                settings = _settings(row, two, half, seed=seed, device=preset.device)
                check_factory(settings.model, trusted, where=f"row {row.name!r} of the preset")
                if settings.network.axes != half.dimensions:
                    continue
                if two.search is None:
                    runs = [_training(row.name, settings, half, inputs)]
                    scored += runs
                else:
                    runs = [
                        _training(f"{row.name} {name}", one, half, inputs, split="val")
                        for name, one in _grid(two.search, settings)
                    ]
                    scored.append(_selection(row, runs, half, inputs, seed=seed))
                trained += runs
    return scored, trained


def _settings(
    row: TableRow, two: SegmentationPreset, half: SegmentationInput, *, seed: int, device: str
) -> "TrainSettings":
    from mtneuro_data import UNLABELLED
    from mtneuro_seg import TrainSettings, paper_settings

    # Subvolumes that run across cubes end with a short one.
    unlabelled = {"ignore_label": UNLABELLED} if half.train[0].across_cubes else {}
    paper: dict[str, Any] = {}
    if two.paper_settings and row.name in NETWORK_ROWS and half.classes in CLASS_SETTINGS:
        paper = paper_settings(row.name, len(half.class_names)).model_dump(
            include={"learning_rate", "batch_size"}
        )
    return merged_settings(
        TrainSettings,
        f"settings of {row.name}",
        {"normalisation": normalisation_of(half.train), **unlabelled},
        paper,
        two.settings,
        two.per_model.get(row.name, {}),
        {"seed": seed, "device": device, "classes": len(half.class_names)},
        row.chosen,
    )


def _grid(search: SearchPreset, settings: "TrainSettings") -> "Iterator[tuple[str, TrainSettings]]":
    """Yield every combination of the search's axes: its name, and the settings with it."""
    sizes = search.batch_sizes_3d if settings.network.axes == 3 else search.batch_sizes
    least = settings.size_rule.least_batch
    axes = {
        "learning_rate": search.learning_rates or (settings.learning_rate,),
        "batch_size": tuple(n for n in sizes if n >= least) or (settings.batch_size,),
        "encoder_name": search.encoder_names,
        "optimiser": search.optimisers,
    }
    axes = {name: values for name, values in axes.items() if values}
    short = {"learning_rate": "lr", "batch_size": "batch", "encoder_name": "encoder"}
    for values in product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        name = " ".join(
            f"{short.get(key, key)}={value:g}"
            if isinstance(value, float)
            else f"{short.get(key, key)}={value}"
            for key, value in chosen.items()
        )
        yield name, merged_settings(type(settings), f"search {name}", settings.model_dump(), chosen)


def _training(
    name: str, settings: "TrainSettings", half: SegmentationInput, inputs: Inputs, *, split: str = "test"
) -> Run[Segmenter]:
    """Return the run that trains a network and scores it on a split."""
    _check_fit(half, settings)
    images = image_count(half.train)
    steps = settings.steps or settings.epochs * max(1, images // settings.batch_size)
    pixels = pixel_count(half.train[0]) * half.train[0].depth
    return Run(
        step=Segmenter(
            **_key(name, half, seed=settings.seed, split=split),
            train=settings,
        ),
        title=f"segment with {name}, {half.name}, seed {settings.seed}",
        needs={
            "train": arrays_runs(half.train, inputs),
            "test": arrays_runs(half.test if split == "test" else half.val, inputs),
        },
        cost=2 + steps * settings.batch_size * pixels / 1e5,
    )


def _key(name: str, half: SegmentationInput, *, seed: int, split: str = "test") -> dict[str, Any]:
    """Return the key under which a network's scores are looked up."""
    test_set = f"{half.name}:{split}"
    key = {"model": name, "task": half.name, "training_set": half.training_set, "test_set": test_set}
    return {**key, "seed": seed}


def _selection(
    row: TableRow, runs: list[Run[Segmenter]], half: SegmentationInput, inputs: Inputs, *, seed: int
) -> Run[Selection]:
    """Return the run that takes the best of a search and scores it on the test slices."""
    return Run(
        step=Selection(**_key(row.name, half, seed=seed)),
        title=f"choose among {len(runs)} of {row.name}, {half.name}, seed {seed}",
        needs={"candidates": tuple(runs), "test": arrays_runs(half.test, inputs)},
        cost=5,
    )


def _taken(
    row: TableRow, folder: Path, half: SegmentationInput, inputs: Inputs, *, trusted: Collection[str]
) -> list[Run[Segmenter]]:
    """Return the run that scores a trained model as it is; none where it is of the other class setting."""
    from mtneuro_seg import TrainSettings

    taken, settings = taken_model(folder, TrainSettings)
    check_factory(settings.model, trusted, where=folder / CONFIG)
    if settings.network.axes != half.dimensions or settings.classes != len(half.class_names):
        return []
    _check_fit(half, settings)
    key: dict[str, Any] = {**_key(row.name, half, seed=settings.seed), "training_set": ""}
    run = Run(
        step=Segmenter(**key, train=settings, taken=taken),
        title=f"segment with {row.name} as it is, {half.name}",
        needs={"test": arrays_runs(half.test, inputs)},
        cost=10,
    )
    return [run]


def _check_fit(half: SegmentationInput, settings: "TrainSettings") -> None:
    """Raise if a network cannot take the images of its task."""
    task = half.test[0]
    cube = next(iter(task.cubes.values()))
    depth = (task.depth,) if half.dimensions == 3 else ()
    size = (*depth, *((hi - lo) // task.downsample for lo, hi in (cube.y, cube.x)))
    rule = settings.size_rule
    if not rule.fits(size):
        near = " x ".join(str(side) for side in rule.padded(size))
        raise ValueError(
            f"{settings.model!r} must be given images that it takes, got {' x '.join(map(str, size))} "
            f"({half.name}); the nearest it takes is {near}: lower task2.downsample"
        )
