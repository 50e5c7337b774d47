"""The runs of Task 2: one training a row, class setting and seed, or a search and what it chose."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
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
from mtneuro_suite.steps import Retrained, Segmenter, Selection

if TYPE_CHECKING:
    from mtneuro_seg import TrainSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """The runs of Task 2."""

    scored: list[Run[Segmenter]] = field(default_factory=list[Run[Segmenter]])
    """Those whose scores are Table 2's."""

    trained: list[Run[Segmenter]] = field(default_factory=list[Run[Segmenter]])
    """Those that train or take a network: the same, and what a search tries."""

    chosen: list[Run[Selection]] = field(default_factory=list[Run[Selection]])
    """What a search chose: Table A4's."""


def segmenter_runs(
    preset: Preset, two: SegmentationPreset, inputs: Inputs, *, trusted: Collection[str] = ()
) -> Networks:
    """Return the runs of Task 2.

    Raises
    ------
    ValueError
        If a network or a setting is not allowed, a network is not trusted, or one cannot take its task's
        images.
    """
    from mtneuro_seg import model_names

    check_known("task2.models", two.models, model_names())
    check_known("task2.per_model", two.per_model, two.models)
    found = Networks()
    for half in inputs.segmentation:
        for row in network_rows(two):
            choice: Run[Selection] | None = None
            for seed in preset.seeds if row.seeded else preset.seeds[:1]:
                if row.folder is not None:
                    runs = _taken(row, row.folder, half, inputs, trusted=trusted)
                    found.scored.extend(runs)
                    found.trained.extend(runs)
                    continue
                settings = _settings(row, two, half, seed=seed, device=preset.device)
                check_factory(settings.model, trusted, where=f"row {row.name!r} of the preset")
                if settings.network.axes != half.dimensions:
                    continue
                if two.search is not None and choice is None:
                    tried = [
                        _training(f"{row.name} {name}", one, half, inputs, searched=True)
                        for name, one in _grid(two.search, settings)
                    ]
                    choice = _selection(row, tried, half, seed=seed)
                    found.trained.extend(tried)
                    found.chosen.append(choice)
                run = _training(row.name, settings, half, inputs, choice=choice)
                found.scored.append(run)
                found.trained.append(run)
    return found


def _settings(
    row: TableRow, two: SegmentationPreset, half: SegmentationInput, *, seed: int, device: str
) -> "TrainSettings":
    from mtneuro_data import UNLABELLED
    from mtneuro_seg import TrainSettings, paper_settings

    # Subvolumes that run across cubes end with a short one.
    unlabelled = {"ignore_label": UNLABELLED} if half.train[0].across_cubes else {}
    paper: dict[str, Any] = {}
    if two.paper_settings and row.paper_network in NETWORK_ROWS and half.classes in CLASS_SETTINGS:
        paper = paper_settings(row.paper_network, len(half.class_names)).model_dump(
            include={"learning_rate", "batch_size"}
        )
    return merged_settings(
        TrainSettings,
        f"settings of {row.name}",
        {"normalisation": normalisation_of(half.train), **unlabelled},
        paper,
        two.settings,
        two.per_model.get(row.paper_network, {}),
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
    name: str,
    settings: "TrainSettings",
    half: SegmentationInput,
    inputs: Inputs,
    *,
    searched: bool = False,
    choice: Run[Selection] | None = None,
) -> Run[Segmenter]:
    """Return the run that trains a network and scores it, on the validation split where a search tries it.

    Its settings are changed to those of the choice, if there is one.
    """
    _check_fit(half, settings)
    train, test = (half.searched, half.val) if searched else (half.train, half.test)
    images = image_count(train)
    steps = settings.steps or settings.epochs * max(1, images // settings.batch_size)
    pixels = pixel_count(train[0]) * train[0].depth
    key = _key(name, half, seed=settings.seed, searched=searched)
    arrays = {
        "train": arrays_runs(train, inputs.fingerprints),
        "test": arrays_runs(test, inputs.fingerprints),
    }
    return Run(
        step=Segmenter(**key, train=settings) if choice is None else Retrained(**key, train=settings),
        title=f"segment with {name}, {half.name}, seed {settings.seed}",
        needs=arrays if choice is None else {"choice": (choice,), **arrays},
        cost=2 + steps * settings.batch_size * pixels / 1e5,
    )


def _key(name: str, half: SegmentationInput, *, seed: int, searched: bool = False) -> dict[str, Any]:
    """Return the key under which a network's scores are looked up."""
    return {
        "model": name,
        "task": half.name,
        "training_set": half.searched_set if searched else half.training_set,
        "test_set": f"{half.name}:{'val' if searched else 'test'}",
        "seed": seed,
    }


def _selection(
    row: TableRow, tried: list[Run[Segmenter]], half: SegmentationInput, *, seed: int
) -> Run[Selection]:
    """Return the run that takes the best of a search by the validation split."""
    return Run(
        step=Selection(**_key(row.name, half, seed=seed, searched=True)),
        title=f"choose among {len(tried)} of {row.name}, {half.name}, seed {seed}",
        needs={"candidates": tuple(tried)},
        cost=0.1,
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
        needs={"test": arrays_runs(half.test, inputs.fingerprints)},
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
