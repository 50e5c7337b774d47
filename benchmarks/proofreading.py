"""Measure which boxes are worth annotating: the score against the number of annotated boxes, by strategy.

The phantom's labels are exact, so that the annotator can be simulated: the truth, with outlines that are
shifted smoothly by about half a pixel, and some small objects missed. A small U-Net learns from a few random
boxes; then, round by round, `mtneuro-seg suggest` chooses the next boxes, the annotator corrects them, and
`mtneuro-seg finetune` learns from all so far. Every strategy starts from the same boxes and the same weights,
and the annotator makes the same errors, so that the strategies are paired by seed. What is finished is kept
in ``--output``, so that the same command goes on after an interruption.
"""

import csv
import io
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from mtneuro_suite._shared.digests import digest
from mtneuro_suite._shared.files import written_beside
from mtneuro_suite._shared.terminal import bar, command_line, run
from mtneuro_suite._shared.words import unknown_name
from mtneuro_suite.report.statistics import Paired, paired, summary
from mtneuro_suite.steps.annotator import Annotator

Row = dict[str, Any]

STRATEGIES = ("random", "uncertainty", "diversity", "uncertainty+diversity")
WHOLE = "all boxes"
"""The row of a model that learned from every box of the pool."""

CUBES = ("A-CTX", "A-STR", "A-VP")
"""Cubes of the pool; their counterparts of set D are scored."""

CLASSES = ("background", "vessel", "cell", "axon")
SCORES = "scores.json"
SIDE = 256
COLOURS = {
    "random": "0.35",
    "uncertainty": "#d55e00",
    "diversity": "#0072b2",
    "uncertainty+diversity": "#009e73",
}

app = command_line("uv run benchmarks/proofreading.py", version=False)


# --- the study


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is annotated, by whom, and how it is learnt.

    Parameters
    ----------
    output
        Folder in which models, boxes and scores are kept.
    report
        Folder for the dated record; that of `--output` by default.
    strategies
        Some strategies only; random is always among them.
    seeds
        Seeds of the first boxes, the weights, the annotator's errors and the strategy `random`.
    slices
        Slices of each cube in the pool.
    box
        Pixels of a box along y and x.
    first
        Random boxes that are annotated first.
    each
        Boxes that are annotated in each round.
    rounds
        Rounds.
    steps
        Training steps of the first model, and of each round.
    filters
        Width of the U-Net.
    rate
        Learning rate, of each round too.
    workers
        Processes at once.
    quick
        Two seeds, two rounds and few steps: a trial of the script, and no result.
    """

    output: Annotated[Path, Parameter(name=["--output", "-o", "--out"])] = Path("results/proofreading")
    report: Path | None = None
    strategies: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = STRATEGIES
    seeds: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (0, 1, 2, 3, 4)
    slices: int = 8
    box: int = 64
    first: int = 4
    each: int = 4
    rounds: int = 6
    steps: int = 120
    filters: int = 8
    rate: float = 0.003
    workers: int = 2
    quick: bool = False

    def __post_init__(self) -> None:
        for name in self.strategies:
            if name not in STRATEGIES:
                raise ValueError(unknown_name("--strategies", name, STRATEGIES))
        for name in ("slices", "first", "each", "rounds", "steps", "filters", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} must be at least 1, got {getattr(self, name)}")
        if self.box < 16 or SIDE % self.box:
            raise ValueError(f"--box must divide {SIDE} and be at least 16, got {self.box}")
        if self.slices > 35:
            raise ValueError(f"--slices must be at most 35, got {self.slices}")
        if not self.seeds:
            raise ValueError("--seeds must name a seed, got none")
        wanted = self.first + self.rounds * self.each
        if wanted > self.most:
            raise ValueError(f"--rounds must annotate at most the pool's {self.most} boxes, got {wanted}")

    @property
    def most(self) -> int:
        """Boxes of the pool."""
        return self.slices * len(CUBES) * (SIDE // self.box) ** 2

    def shortened(self) -> "Options":
        """Return what is measured: less with ``quick``."""
        if not self.quick:
            return self
        return replace(self, seeds=self.seeds[:2], slices=2, rounds=2, steps=20)

    def key(self, annotator: Annotator) -> str:
        """Return a name of everything that a seed's scores depend on."""
        names = ("slices", "box", "first", "each", "rounds", "steps", "filters", "rate")
        return digest({**{name: getattr(self, name) for name in names}, **asdict(annotator)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One seed, and what it is measured by; a process's whole work."""

    options: Options
    annotator: Annotator
    seed: int

    @property
    def folder(self) -> Path:
        """Where all of it is kept."""
        return self.options.output / self.options.key(self.annotator) / f"seed-{self.seed}"

    def round_(self, strategy: str, number: int) -> Path:
        """Return the folder of a round of a strategy; round 0 is common to all."""
        return self.folder / (strategy if number else "start") / str(number)


@cache
def pool(slices: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images and truth of the cubes that may be annotated, side by side: ``(z, y, x)``."""
    return _side_by_side(CUBES, z=range(110, 110 + 10 * slices, 10))


@cache
def held_out() -> tuple[np.ndarray, np.ndarray]:
    """Return images and truth of the cubes that are scored."""
    return _side_by_side([name.replace("A-", "D-") for name in CUBES], z=range(120, 460, 60))


def _side_by_side(cubes: Sequence[str], *, z: range) -> tuple[np.ndarray, np.ndarray]:
    from mtneuro_data import builtin_task
    from mtneuro_data.phantom import Phantom

    known = builtin_task("roi-c1").cubes | builtin_task("roi-c2").cubes
    images, labels = (
        np.stack(
            [
                np.concatenate(
                    [
                        np.asarray(
                            channel.read(
                                (at, known[name].y[0], known[name].x[0]),
                                (at + 1, known[name].y[1], known[name].x[1]),
                            )
                        )[0]
                        for name in cubes
                    ],
                    axis=1,
                )
                for at in z
            ]
        )
        for channel in (Phantom("image"), Phantom("pixel_labels"))
    )
    return images, labels.astype(np.uint8)


def start(job: Job) -> None:
    """Let the annotator label the first boxes, and every box, and learn from each."""
    from mtneuro_seg import train

    images, labels = _images_and_labels(job)
    learn(job, "random", 0)
    settings, place = train_settings(job), job.folder / WHOLE
    if not (place / SCORES).is_file():
        steps = job.options.steps * (job.options.rounds + 1)
        longer = settings.model_copy(update={"steps": steps})
        tiles = [tiled(each, job.options.box) for each in (images, labels)]
        keep_scores(place, train(tiles[0], longer, masks=tiles[1], out=place / "model"))


def learn(job: Job, strategy: str, number: int) -> None:
    """Suggest boxes, let the annotator correct them, and train the model on; what is done is not repeated."""
    from mtneuro_seg import SuggestSettings, SweepSettings, finetune, read_boxes, suggest

    options, place = job.options, job.round_(strategy, number)
    if (place / SCORES).is_file():
        return
    images, labels = _images_and_labels(job)
    model = untrained(job) if number == 0 else load_round(job, strategy, number - 1)
    earlier = [job.round_(strategy, at) / "boxes" for at in range(number)]
    if not (place / "boxes").is_dir():
        suggest(
            model,
            images,
            out=place / "boxes",
            settings=SuggestSettings.model_validate(
                {
                    "strategy": strategy,
                    "boxes": options.each if number else options.first,
                    "size": (1, options.box, options.box),
                    "seed": 1000 * job.seed + number,
                }
            ),
            # No window looks from one cube into the next.
            sweep=SweepSettings(window=(options.box, options.box), overlap=0, batch_size=16),
            annotated=[box for folder in earlier for box in read_boxes(folder)],
        )
    for box in read_boxes(place / "boxes"):
        inside = tuple(slice(*ends) for ends in zip(box.lower, box.upper, strict=True))
        with written_beside(place / "boxes" / "boxes" / box.name / "labels.npy") as beside:
            np.save(beside, labels[inside])
    tuned = finetune(
        model,
        [*earlier, place / "boxes"],
        out=place / "model",
        changes={"learning_rate": options.rate},
        # The annotator has looked at every box.
        accept="all",
    )
    keep_scores(place, tuned)


def rounds(job: Job, strategy: str) -> None:
    """Annotate and learn round by round."""
    for number in range(1, job.options.rounds + 1):
        learn(job, strategy, number)


def load_round(job: Job, strategy: str, number: int) -> Any:
    """Return the model of a round."""
    from mtneuro_seg import load_model

    return load_model(job.round_(strategy, number) / "model")


def train_settings(job: Job) -> Any:
    """Return the settings of every training of a seed."""
    from mtneuro_seg import TrainSettings

    return TrainSettings(
        model="unet",
        classes=4,
        filters=job.options.filters,
        levels=3,
        steps=job.options.steps,
        batch_size=8,
        learning_rate=job.options.rate,
        augment=True,
        normalisation="given",
        image_type="uint8",
        seed=job.seed,
        device="cpu",
    )


def untrained(job: Job) -> Any:
    """Return the model that nothing was learnt by yet."""
    from mtneuro_seg import Model, build_network

    settings = train_settings(job)
    return Model(network=build_network(settings).eval(), settings=settings, class_names=CLASSES)


def _images_and_labels(job: Job) -> tuple[np.ndarray, np.ndarray]:
    images, truth = pool(job.options.slices)
    return images, job.annotator.labels(truth, seed=job.seed)


def tiled(volume: np.ndarray, side: int) -> np.ndarray:
    """Return all boxes of a volume ``(z, y, x)`` as images."""
    z, y, x = volume.shape
    rows = volume.reshape(z, y // side, side, x // side, side)
    return np.ascontiguousarray(rows.swapaxes(2, 3)).reshape(-1, side, side)


def keep_scores(place: Path, model: Any) -> None:
    """Score a model on the cubes that it has not seen, and keep the F1 of each class and their mean."""
    from mtneuro_seg import predict

    images, truth = held_out()
    tiles = np.concatenate(np.split(images, len(CUBES), axis=2))
    found = predict(model, tiles)
    write_text(place / SCORES, json.dumps(f1(np.concatenate(np.split(truth, len(CUBES), axis=2)), found)))


def f1(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Return the F1 of each class, and their mean, from the counts of all pixels."""
    from mtneuro_seg import confusion_matrix, scores

    of = scores(confusion_matrix(truth, found, classes=len(CLASSES)))
    return {"mean": of.mean_f1, **dict(zip(CLASSES, map(float, of.f1), strict=True))}


def one_thread() -> None:
    """Let a process compute on one thread."""
    import torch

    torch.set_num_threads(1)


def measured(options: Options, annotator: Annotator, progress: Any) -> list[Row]:
    """Return a row for each seed, strategy and number of boxes, measured now or earlier."""
    jobs = [Job(options=options, annotator=annotator, seed=seed) for seed in options.seeds]
    strategies = dict.fromkeys(("random", *options.strategies))
    total = len(jobs) * (2 + options.rounds * len(strategies))

    def done() -> int:
        return sum(len(list(job.folder.rglob(SCORES))) for job in jobs)

    with ProcessPoolExecutor(
        options.workers, mp_context=get_context("spawn"), initializer=one_thread
    ) as processes:
        for works in (
            [partial(start, job) for job in jobs],
            [partial(rounds, job, strategy) for job in jobs for strategy in strategies],
        ):
            waiting = {processes.submit(work) for work in works}
            try:
                while waiting:
                    ended, waiting = wait(waiting, timeout=1)
                    for each in ended:
                        each.result()
                    progress(min(done(), total), total)
            except BaseException:
                processes.shutdown(wait=False, cancel_futures=True)
                raise
    return [row for job in jobs for row in _rows(job, strategies)]


def _rows(job: Job, strategies: Sequence[str] | Mapping[str, None]) -> Iterator[Row]:
    options = job.options
    for strategy in strategies:
        for number in range(options.rounds + 1):
            boxes = options.first + number * options.each
            of = json.loads((job.round_(strategy, number) / SCORES).read_text("utf-8"))
            yield {"strategy": strategy, "seed": job.seed, "boxes": boxes, **of}
    whole = json.loads((job.folder / WHOLE / SCORES).read_text("utf-8"))
    yield {"strategy": WHOLE, "seed": job.seed, "boxes": options.most, **whole}


# --- the record


def curve(rows: Sequence[Row], strategy: str, boxes: int | None, key: str = "mean") -> dict[int, float]:
    """Return a score by seed: after so many boxes, or, without a number, its mean over the rounds."""
    found: dict[int, list[float]] = {}
    first = min(row["boxes"] for row in rows)
    for row in rows:
        # What is common to all strategies tells them not apart.
        if row["strategy"] == strategy and (row["boxes"] > first if boxes is None else row["boxes"] == boxes):
            found.setdefault(row["seed"], []).append(row[key])
    return {seed: fmean(values) for seed, values in found.items()}


def against_random(rows: Sequence[Row]) -> dict[str, Paired]:
    """Return what each strategy adds to random, the mean over the rounds, seed by seed."""
    strategies = [
        name for name in dict.fromkeys(row["strategy"] for row in rows) if name not in ("random", WHOLE)
    ]
    floor = curve(rows, "random", None)
    return {name: paired(curve(rows, name, None), floor) for name in strategies}


def verdict(name: str, found: Paired) -> str:
    """Return in words what a strategy adds to random."""
    of = found.difference
    if of.low is None or of.high is None:
        return f"{name}: {of.mean:+.3f} in one seed, which says nothing."
    told = "not told apart from random" if of.low <= 0 <= of.high else "better than random"
    told = "worse than random" if of.high < 0 else told
    return f"{name}: {of.mean:+.3f} (95 %: {of.low:+.3f} to {of.high:+.3f}, {of.n} pairs): {told}."


def markdown(document: Mapping[str, Any]) -> str:
    """Return the record as a page: the curves, what each strategy adds, and the classes at the end."""
    rows: list[Row] = document["rows"]
    strategies = [name for name in STRATEGIES if any(row["strategy"] == name for row in rows)]
    counts = sorted({row["boxes"] for row in rows if row["strategy"] != WHOLE})
    lines = [
        f"# proofreading.py, phantom version {document['phantom_version']}, {document['date']}",
        "",
        "; ".join(f"{key} {value}" for key, value in document["settings"].items()) + ".",
        "",
        "The annotator: " + ", ".join(f"{key} {value}" for key, value in document["annotator"].items()) + ". "
        "F1 of the labels so drawn against the truth: "
        + ", ".join(f"{name} {value:.3f}" for name, value in document["annotator_f1"].items())
        + ".",
        "",
        "## Mean F1 on unseen cubes, mean over the seeds [95 % interval]",
        "",
        _row("annotated boxes", *strategies),
        _row(*["---"] * (1 + len(strategies))),
        *(_row(boxes, *(_interval(curve(rows, name, boxes)) for name in strategies)) for boxes in counts),
        "",
        f"All {document['most']} boxes: {_interval(curve(rows, WHOLE, document['most']))}.",
        "",
        "## What each adds to random, mean over the rounds, paired by seed",
        "",
        *(f"- {verdict(name, found)}" for name, found in against_random(rows).items()),
        "",
        f"## F1 of each class after {counts[-1]} boxes",
        "",
        _row("strategy", *CLASSES),
        _row(*["---"] * (1 + len(CLASSES))),
    ]
    for name in (*strategies, WHOLE):
        boxes = document["most"] if name == WHOLE else counts[-1]
        lines.append(_row(name, *(_interval(curve(rows, name, boxes, key)) for key in CLASSES)))
    return "\n".join(lines) + "\n"


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _interval(values: Mapping[int, float]) -> str:
    of = summary(list(values.values()))
    return f"{of.mean:.3f}" if of.low is None else f"{of.mean:.3f} [{of.low:.3f}, {of.high:.3f}]"


def draw(path: Path, rows: Sequence[Row]) -> None:
    """Draw the scores against the annotated boxes: their mean, and each class but the background."""
    import matplotlib.pyplot as plt

    keys = ("mean", *CLASSES[1:])
    counts = sorted({row["boxes"] for row in rows if row["strategy"] != WHOLE})
    figure, panels = plt.subplots(1, len(keys), figsize=(15, 4.2), layout="constrained")
    for axes, key in zip(panels, keys, strict=True):
        for name in (name for name in STRATEGIES if any(row["strategy"] == name for row in rows)):
            of = [summary(list(curve(rows, name, boxes, key).values())) for boxes in counts]
            means = [each.mean for each in of]
            axes.plot(counts, means, color=COLOURS[name], marker="o", markersize=4, label=name)
            low = [each.mean if each.low is None else each.low for each in of]
            high = [each.mean if each.high is None else each.high for each in of]
            axes.fill_between(counts, low, high, color=COLOURS[name], alpha=0.13, linewidth=0)
        whole = fmean(row[key] for row in rows if row["strategy"] == WHOLE)
        axes.axhline(whole, color="black", linestyle=":", label=WHOLE)
        # Of few seeds an interval may leave what a score can be, and would hide the means.
        shown = [whole, *(row[key] for row in rows)]
        axes.set_ylim(max(min(shown) - 0.05, 0), min(max(shown) + 0.05, 1))
        axes.set_xlabel("annotated boxes")
        axes.set_title("mean over the classes" if key == "mean" else key)
        axes.set_xticks(counts)
    panels[0].set_ylabel("F1 on unseen cubes")
    panels[0].legend(loc="lower right", fontsize=8)
    seeds = len({row["seed"] for row in rows})
    figure.suptitle(f"Which boxes to annotate next: mean of {seeds} seeds and its 95 % interval", fontsize=11)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    with written_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")


@app.default
def proofreading(
    *,
    options: Annotated[Options | None, Parameter(name="*")] = None,
    annotator: Annotated[Annotator | None, Parameter(name="*")] = None,
) -> Iterator[str]:
    """Draw the score against the number of annotated boxes, for each way to choose them.

    For example:

    - `uv run benchmarks/proofreading.py`
    - `uv run benchmarks/proofreading.py --quick`
    - `uv run benchmarks/proofreading.py --strategies uncertainty --missed 0 --shift 0`
    """
    given, person = (options or Options()).shortened(), annotator or Annotator()
    began = time.perf_counter()
    with bar("rounds") as progress:
        rows = measured(given, person, progress)
    from mtneuro_data.phantom import PHANTOM_VERSION

    truth = pool(given.slices)[1]
    drawn = [f1(truth, person.labels(truth, seed=seed)) for seed in given.seeds]
    document = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "phantom_version": PHANTOM_VERSION,
        "settings": {
            name: getattr(given, name)
            for name in ("seeds", "slices", "box", "first", "each", "rounds", "steps", "filters", "rate")
        },
        "most": given.most,
        "annotator": asdict(person),
        "annotator_f1": {name: fmean(each[name] for each in drawn) for name in drawn[0]},
        "rows": rows,
    }
    path = (given.report or given.output) / f"proofreading-{document['date']}{'-quick' * given.quick}"
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    text = markdown(document)
    write_text(path.with_suffix(".csv"), table.getvalue())
    write_text(path.with_suffix(".json"), json.dumps(document, indent=1) + "\n")
    write_text(path.with_suffix(".md"), text)
    with written_beside(path.with_suffix(".png")) as beside:
        draw(beside, rows)
    yield text
    yield f"record written to {path.with_suffix('.md')}, its curves to {path.with_suffix('.png')}"
    yield f"{time.perf_counter() - began:.0f} s"


if __name__ == "__main__":
    sys.exit(run(app, sys.argv[1:], say=partial(print, flush=True)))
