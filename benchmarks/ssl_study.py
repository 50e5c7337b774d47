"""Train every self-supervised method at a small size and compare it with an untrained encoder.

Each study trains models with several seeds, scores them with a linear readout of the brain region of the four
corners of each test image, and writes a dated table. Without ``--data`` the images are the phantom's; with it
they are cut from the real slice z=159. What is finished is kept in ``--output``, so the same command goes on
after an interruption. The records of the project are in ``benchmarks/records/ssl_study``.
"""

import csv
import json
import logging
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter
from mtneuro_data import TaskArrays, builtin_task, downsampled_images, load
from mtneuro_probe import region_readout
from mtneuro_ssl import Grid, Model, TrainSettings, colour_picture, embed, embedding_map, train
from PIL import Image

from mtneuro_suite._shared.files import written_beside
from mtneuro_suite._shared.terminal import command_line, run
from mtneuro_suite._shared.words import unknown_name
from mtneuro_suite.plan.real_sample import FILES, region_task
from mtneuro_suite.report.statistics import summary

Row = dict[str, Any]

app = command_line("uv run benchmarks/ssl_study.py", version=False)

METHODS: dict[str, dict[str, Any]] = {
    "untrained": {},
    "pca": {},
    "nmf": {},
    # The paper's weight decay of 0.3 needs its 100 epochs.
    "supervised": {"learning_rate": 0.003, "weight_decay": 5e-4, "momentum": 0.9},
    "supervised+mixup": {"learning_rate": 0.003, "weight_decay": 5e-4, "momentum": 0.9},
    "byol": {},
    "myow": {},
    "myow-m": {},
    "simsiam": {},
    "simclr": {},
    "vicreg": {},
    "barlow-twins": {},
    "dino": {"projection": 256},
    # Its encoder is a transformer, which takes other rates than the others' and more steps.
    "mae": {"encoder": "vit", "learning_rate": 0.01},
}
"""Methods, and the settings that are theirs alone."""

SLOWER = {"vicreg": 1 / 30, "barlow-twins": 1 / 100, "dino": 1 / 30}
"""Part of the others' learning rate, for methods that diverge at it: two whose losses are sums over features,
and DINO, which falls into one output for all images."""

_TURNS: dict[str, Any] = {"flip": 0.5, "rotate": True}
RICHNESS: dict[str, dict[str, Any]] = {
    "crop 0.9": {"crop": 0.9},
    "crop 0.7": {"crop": 0.7},
    "crop 0.5 (the paper's)": {"crop": 0.5},
    "and turns": {"crop": 0.5, **_TURNS},
    "and intensity": {"crop": 0.5, **_TURNS, "brightness": 0.05, "contrast": 0.1, "noise": 0.02},
}
"""Views from poor to rich."""


Study = Literal["methods", "richness", "precision", "map"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a study trains, and on what.

    Parameters
    ----------
    data
        Folder of the real files; the phantom is used without it.
    source
        Which phantom: `phantom?drift=0` has no shift between its places.
    output
        Folder in which models and their scores are kept.
    report
        Folder for the dated record; that of `--output` by default.
    seeds
        Seeds to train with.
    methods
        Some methods only.
    device
        `cpu`, `cuda` or `auto`.
    encoder
        By default `resnet18` for `methods`, `timm/resnet10t` for the others.
    steps
        Training steps; by default 24 for `methods`, 40 for the others.
    batch_size
        Images a step; by default 16 for `methods`, 32 for the others.
    rate
        Learning rate; by default 0.03 for `methods`, 0.1 for the others.
    """

    data: Path | None = None
    source: str = "phantom"
    output: Annotated[Path, Parameter(name=["--output", "-o", "--out"])] = Path("results/ssl")
    report: Path | None = None
    seeds: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (1, 100, 350)
    methods: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = ()
    device: str = "cpu"
    encoder: str | None = None
    steps: int | None = None
    batch_size: int | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        for name in self.methods:
            if name not in METHODS:
                raise ValueError(unknown_name("--methods", name, METHODS))


def arrays(options: Options) -> tuple[TaskArrays, TaskArrays]:
    """Return training and test images at a quarter of the resolution, of the real slice or the phantom."""
    data = options.data
    if data is None:
        known, other = (
            builtin_task(name).with_source(options.source).replaced(downsample=4, z_step=z_step)
            for name, z_step in (("roi-c1", 6), ("roi-c2", 24))
        )
        return load(known, ("train", "val")), load(other, "test")
    task = region_task(data).replaced(downsample=4)
    return load(task, "train"), load(task, "test")


def scored(settings: TrainSettings, out: Path, *, images: TaskArrays, test: TaskArrays) -> Row:
    """Return what a model makes of the test images, trained now or found with its score."""
    known = out.with_name(f"{out.name}.json")
    key = {**settings.model_dump(mode="json"), "read": [images.fingerprint, test.fingerprint]}
    if known.is_file() and (kept := json.loads(known.read_text(encoding="utf-8")))["settings"] == key:
        return kept["row"]
    started = time.process_time()
    labelled = settings.entry.family != "baseline"
    model = train(images.images, settings, labels=images.region if labelled else None, out=out, replace=True)
    seconds = time.process_time() - started
    row: Row = {"accuracy": readout(model, images, test), "seconds": round(seconds, 1), **course(out)}
    if settings.entry.family == "supervised":
        row["whole"] = round(float((model.predict(test.images) == test.region).mean()), 4)
    write_text(known, json.dumps({"settings": key, "row": row}))
    return row


def readout(model: Model, images: TaskArrays, test: TaskArrays) -> float:
    """Return the accuracy of the region of the four corners of each test image."""
    corners = test.corners()
    if model.settings.entry.family == "supervised":
        return round(float((model.predict(corners.images) == corners.region).mean()), 4)
    known = images.corners()
    score = region_readout(
        embed(model, known.images), known.region, embed(model, corners.images), corners.region,
        class_names=images.region_names,
    )  # fmt: skip
    return round(score.accuracy, 4)


def course(model: Path) -> Row:
    """Return how a training went: its loss, and the rank and spread of the embeddings at its end."""
    if not (model / "monitor.csv").is_file():
        return {}
    lines = {
        name: list(csv.DictReader((model / f"{name}.csv").read_text(encoding="utf-8").splitlines()))
        for name in ("monitor", "history")
    }
    losses = [float(line["loss"]) for line in lines["history"]]
    quarter = max(len(losses) // 4, 1)
    return {
        "rank": round(float(lines["monitor"][-1]["rank"]), 2),
        "spread": round(float(lines["monitor"][-1]["spread"]), 4),
        "first_loss": round(statistics.fmean(losses[:quarter]), 4),
        "last_loss": round(statistics.fmean(losses[-quarter:]), 4),
    }


def methods(options: Options) -> Iterator[Row]:
    """Yield a row for each method and seed."""
    images, test = arrays(options)
    for seed in options.seeds:
        for method in options.methods or METHODS:
            own: dict[str, Any] = {
                **common("methods", options),
                **METHODS[method],
                "method": method,
                "seed": seed,
            }
            own["learning_rate"] *= SLOWER.get(method, 1)
            settings = TrainSettings.model_validate(own)
            out = options.output / "methods" / f"{method}-{seed}"
            yield {"method": method, "seed": seed, **scored(settings, out, images=images, test=test)}


def richness(options: Options) -> Iterator[Row]:
    """Yield a row for each of the three methods, each kind of views and each seed, and for no training."""
    images, test = arrays(options)
    for seed in options.seeds:
        for method in options.methods or ("untrained", "byol", "myow", "myow-m"):
            for views, values in RICHNESS.items():
                if method == "untrained":
                    views, values = "none", {}
                settings = TrainSettings.model_validate(
                    common("richness", options) | {"method": method, "seed": seed, "views": values}
                )
                out = options.output / "richness" / f"{method}-{views.replace(' ', '_')}-{seed}"
                found = scored(settings, out, images=images, test=test)
                yield {"method": method, "views": views, "seed": seed, **found}
                if method == "untrained":
                    break


def precision(options: Options) -> Iterator[Row]:
    """Yield a row for each method, precision and seed."""
    images, test = arrays(options)
    for seed in options.seeds:
        for method in options.methods or ("supervised", "byol", "myow", "myow-m"):
            for kind in ("32-true", "bf16-mixed"):
                own = {**common("precision", options), **METHODS[method], "method": method, "seed": seed}
                settings = TrainSettings.model_validate(own | {"precision": kind})
                out = options.output / "precision" / f"{method}-{kind}-{seed}"
                found = scored(settings, out, images=images, test=test)
                yield {"method": method, "precision": kind, "seed": seed, **found}


STUDIES: dict[str, Callable[[Options], Iterator[Row]]] = {
    "methods": methods,
    "richness": richness,
    "precision": precision,
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "methods": {"encoder": "resnet18", "steps": 24, "batch_size": 16, "rate": 0.03},
    "richness": {"encoder": "timm/resnet10t", "steps": 40, "batch_size": 32, "rate": 0.1},
    "precision": {"encoder": "timm/resnet10t", "steps": 40, "batch_size": 32, "rate": 0.1},
}


def draw_map(options: Options) -> Path:
    """Draw a whole slice's embeddings by the first model of `methods`, and return the picture's path."""
    if options.data is None:
        raise ValueError("map needs the real slice: give --data with the folder of the real files")
    whole = np.asarray(Image.open(options.data / FILES[0]))
    height, width = (side // 4 * 4 for side in whole.shape)
    slice_ = downsampled_images(whole[None, :height, :width], 4)[0]
    method, seed = (options.methods or ("byol",))[0], options.seeds[0]
    model = options.output / "methods" / f"{method}-{seed}"
    if not model.is_dir():
        raise FileNotFoundError(f"map draws the model of the study `methods`, and finds none at {model}")
    np.save(options.output / "slice.npy", slice_[None])
    found = embedding_map(
        model,
        options.output / "slice.npy",
        out=options.output / f"map-{method}-{seed}.zarr",
        window=(32, 32),
        stride=(8, 8),
    )
    grid = Grid(size=(slice_.shape[0], slice_.shape[1]), window=(32, 32), stride=(8, 8))
    picture = colour_picture(np.asarray(found[0]), slice_, grid)
    path = options.output / f"map-{method}-{seed}.png"
    with written_beside(path) as beside:
        Image.fromarray(picture).save(beside)
    return path


def common(study: str, options: Options) -> dict[str, Any]:
    """Return the settings that all runs of a study share."""
    values = dict(DEFAULTS[study])
    values |= {name: given for name in values if (given := getattr(options, name)) is not None}
    return {
        "normalisation": "given",
        "encoder": values["encoder"],
        "steps": values["steps"],
        "batch_size": values["batch_size"],
        # Self-supervised methods scale it by batch_size / 256 again.
        "learning_rate": values["rate"] * 256 / values["batch_size"],
        "latent_dim": 64,
        "components": 64,
        "hidden": 512,
        "projection": 64,
        "device": options.device,
    }


def averaged(rows: Sequence[Row], keys: Sequence[str]) -> list[Row]:
    """Return the mean over seeds, its deviation and its interval, of rows that are otherwise alike."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    found: list[Row] = []
    for names, members in groups.items():
        line: Row = {
            **dict(zip(keys, names, strict=True)),
            **asdict(summary([member["accuracy"] for member in members])),
            "seconds": statistics.fmean(member["seconds"] for member in members),
        }
        line |= {
            name: statistics.fmean(member[name] for member in members)
            for name in ("whole", "rank", "first_loss", "last_loss")
            if name in members[0]
        }
        found.append(line)
    return found


def over_seeds(line: Row) -> tuple[str, str]:
    """Return the deviation and the interval of a mean, as the table has them."""
    if line["sd"] is None:
        return "–", "–"
    return f"{line['sd']:.3f}", f"{line['low']:.3f} to {line['high']:.3f}"


def differences(rows: Sequence[Row]) -> str:
    """Return what bf16 adds to the accuracy of each method, over the seeds, as sentences."""
    found = {(row["method"], row["seed"], row["precision"]): row["accuracy"] for row in rows}
    told: list[str] = []
    for method in dict.fromkeys(row["method"] for row in rows):
        gains = [
            found[method, seed, "bf16-mixed"] - found[method, seed, "32-true"]
            for seed in dict.fromkeys(row["seed"] for row in rows)
        ]
        mean = summary(gains)
        within = "" if mean.low is None else f" (95 %: {mean.low:+.3f} to {mean.high:+.3f})"
        told.append(f"- {method}: bf16 adds {mean.mean:+.3f}{within} to the accuracy, in {mean.n} pairs.")
    return "\n".join(told)


def own_settings(rows: Sequence[Row]) -> str:
    """Return which methods of a study have settings of their own, as a paragraph."""
    told: list[str] = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [f"{key} {value}" for key, value in METHODS[method].items()]
        if method in SLOWER:
            own.append(f"1/{round(1 / SLOWER[method])} of the learning_rate")
        if own:
            told.append(f"{method}: {', '.join(own)}")
    return f"Settings of their own: {'; '.join(told)}.\n\n" if told else ""


def table(lines: Sequence[Row], keys: Sequence[str]) -> str:
    """Return the averages as a Markdown table."""
    heads = [
        *keys,
        "accuracy",
        "sd",
        "95 % of the mean",
        "seeds",
        "of whole images",
        "rank",
        "loss, first and last quarter",
        "CPU s",
    ]
    rows = [heads, ["---"] * len(heads)]
    for line in lines:
        told = "rank" in line
        rows.append(
            [
                *(str(line[key]) for key in keys),
                f"{line['mean']:.3f}", *over_seeds(line), str(line["n"]),
                f"{line['whole']:.3f}" if "whole" in line else "–",
                f"{line['rank']:.1f}" if told else "–",
                f"{line['first_loss']:.3f}, {line['last_loss']:.3f}" if told else "–",
                f"{line['seconds']:.0f}",
            ]
        )  # fmt: skip
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def draw_methods(path: Path, lines: Sequence[Row]) -> None:
    """Draw each method's accuracy and its interval, the best on top."""
    import matplotlib.pyplot as plt

    ordered = sorted(lines, key=lambda line: line["mean"])
    means = np.array([line["mean"] for line in ordered])
    reach = [0 if line["low"] is None else line["mean"] - line["low"] for line in ordered]
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    axes.errorbar(means, range(len(ordered)), xerr=reach, fmt="o", capsize=3)
    for line in ordered:
        if line["method"] == "untrained":
            axes.axvline(line["mean"], color="0.5", linestyle="--", zorder=0)
    axes.set_yticks(range(len(ordered)), [line["method"] for line in ordered])
    axes.set_xlabel(f"accuracy of the region: mean of {ordered[0]['n']} seeds and its 95 % interval")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw_richness(path: Path, lines: Sequence[Row]) -> None:
    """Draw accuracy against richness of views, a line for each method."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for method in dict.fromkeys(line["method"] for line in lines):
        mine = [line for line in lines if line["method"] == method]
        if method == "untrained":
            axes.axhline(mine[0]["mean"], color="0.5", linestyle="--", label="untrained")
            continue
        # Beside one another, so that no interval hides another.
        aside = 0.07 * (len(axes.containers) - 1)
        places = [list(RICHNESS).index(line["views"]) + aside for line in mine]
        means, sds = [line["mean"] for line in mine], [line["sd"] or 0 for line in mine]
        axes.errorbar(places, means, yerr=sds, marker="o", capsize=3, label=method)
    axes.set_xticks(range(len(RICHNESS)), list(RICHNESS), rotation=15)
    axes.set_xlabel("views, from poor to rich")
    axes.set_ylabel("accuracy of the region")
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


@app.default
def study(name: Study, /, *, options: Annotated[Options | None, Parameter(name="*")] = None) -> Iterator[str]:
    """Train methods at a small size, score them, and write a dated table.

    - `methods`: every method
    - `richness`: BYOL, MYOW and MYOW-m with augmentations from poor to rich: where does mining help?
    - `precision`: these three and supervised training, in bf16 and in single precision
    - `map`: a picture of the whole real slice, coloured by the embeddings of the first model of `methods`

    For example:

    - `uv run benchmarks/ssl_study.py methods --data ../shared/data`
    - `uv run benchmarks/ssl_study.py methods --encoder timm/resnet10t --steps 40 --batch-size 32 --rate 0.1`
    - `uv run benchmarks/ssl_study.py map --data ../shared/data`

    Parameters
    ----------
    name
        The study.
    """
    given = options or Options()
    # The real tiles touch, as the paper's cubes do: one line for each pair is too much here.
    logging.getLogger("mtneuro_data").setLevel(logging.ERROR)
    if name == "map":
        yield f"picture written to {draw_map(given)}"
        return
    rows: list[Row] = []
    for row in STUDIES[name](given):
        rows.append(row)
        yield json.dumps(row)
    document = {
        "study": name,
        "source": given.source if given.data is None else "z159",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "settings": common(name, given),
        "rows": rows,
    }
    yield from write_report(document, given.report or given.output)


def write_report(document: dict[str, Any], folder: Path) -> Iterator[str]:
    """Write a study's record, its table and its picture, and yield the table and where they are."""
    study, source, day, rows = (document[key] for key in ("study", "source", "date", "rows"))
    keys = [key for key in ("method", "views", "precision") if key in rows[0]]
    lines = averaged(rows, keys)
    text = table(lines, keys)
    if study == "precision":
        text += f"\n\n{differences(rows)}"
    place = re.sub(r"\W+", "-", source)
    path = folder / f"ssl-{study}-{place}-{day}"
    head = (
        f"# ssl_study.py {study}, {source}, {day}\n\n"
        f"{', '.join(f'{key} {value}' for key, value in document['settings'].items())}; "
        f"{sum(row['seconds'] for row in rows):.0f} processor seconds of training.\n\n{own_settings(rows)}"
    )
    write_text(path.with_suffix(".md"), f"{head}{text}\n")
    write_text(path.with_suffix(".json"), json.dumps(document, indent=1) + "\n")
    drawn = {"methods": draw_methods, "richness": draw_richness}.get(study)
    if drawn is not None:
        with written_beside(path.with_suffix(".png")) as beside:
            drawn(beside, lines)
    yield text
    yield f"record written to {path.with_suffix('.md')}, its figures to {path.with_suffix('.json')}"


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    with written_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(run(app, sys.argv[1:], say=partial(print, flush=True)))
