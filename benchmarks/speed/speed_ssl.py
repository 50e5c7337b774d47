"""How fast mtneuro-ssl trains and fits, against its floors.

    python benchmarks/speed/speed_ssl.py --quick

A step of BYOL, MYOW and MYOW-m beside the same step in plain PyTorch; a whole run beside its bare steps; PCA
beside a full decomposition; and NMF's time and error, which have no floor. Both sides of a ratio are first
seen to give the same result, and are measured in turns, in processor seconds on one thread, so that a busy
machine tells the same. Exits with 1 if a floor is missed.
"""

import argparse
import copy
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mtneuro_ssl import TrainSettings, train
from mtneuro_ssl.methods.nmf import NMF
from mtneuro_ssl.methods.pca import principal_components
from mtneuro_ssl.training import new_method
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils.data import DataLoader, Dataset

RESULTS = Path(__file__).parent / "results"
METHODS = {"byol": (2, 2), "myow": (3, 3), "myow-m": (4, 4)}
"""Passes of the online and of the target encoder that a step needs."""


@dataclass(frozen=True)
class Figure:
    """One ratio, with the floor or ceiling that it is held to."""

    name: str
    ratio: float
    spread: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the ratio is on the right side."""
        above = self.at_least is None or self.ratio >= self.at_least
        return above and (self.at_most is None or self.ratio <= self.at_most)


class Crops(Dataset[tuple[Tensor, ...]]):
    """The data path that anybody would write: each item reads an image and cuts its views."""

    def __init__(self, images: np.ndarray, views: int, crop: int) -> None:
        self.images, self.views, self.crop = images, views, crop
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        """Return random crops of an image, as the encoder takes them."""
        found: list[Tensor] = []
        for _ in range(self.views):
            top, left = self.rng.integers(0, self.images.shape[1] - self.crop + 1, 2)
            crop = self.images[index, top : top + self.crop, left : left + self.crop]
            found.append((torch.from_numpy(crop).float() / 255 - 0.4894)[None] / 0.1238)
        return tuple(found)


class PlainStep:
    """One step in plain PyTorch: a loader, a pass for each view, and a loop that moves the target."""

    def __init__(self, method: Any, images: np.ndarray, crop: int) -> None:
        self.method = copy.deepcopy(method).to(memory_format=torch.contiguous_format)
        settings = method.settings
        self.merged = settings.method == "myow-m"
        self.mining = settings.method != "byol"
        options: dict[str, Any] = {"batch_size": settings.batch_size, "shuffle": True, "drop_last": True}
        self.loader = forever(DataLoader(Crops(images, 3 if self.mining else 2, crop), **options))
        self.pool = forever(DataLoader(Crops(images, 1, crop), **options))
        trained = [parameter for parameter in self.method.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.SGD(trained, lr=1e-3, momentum=0.9, weight_decay=5e-4, foreach=False)

    def __call__(self) -> None:
        """Take one step."""
        views = next(self.loader)
        pool = next(self.pool)[0] if self.mining else None
        self.optimizer.zero_grad()
        self.loss(views, pool).backward()
        self.optimizer.step()
        with torch.no_grad():
            for network, target in self.method.followed:
                for online, slow in zip(network.parameters(), target.parameters(), strict=True):
                    slow.copy_(0.996 * slow + 0.004 * online)

    def loss(self, views: tuple[Tensor, ...], pool: Tensor | None) -> Tensor:
        """Return the loss of the protocol's formulas, with a mined weight of 0.1."""
        m = self.method
        first, second = (m.predictor(m.projector(m.encoder(view))) for view in views[:2])
        with torch.no_grad():
            target_1, target_2 = (m.target_projector(m.target_encoder(view)) for view in views[:2])
        loss = distance(first, target_2) / 2 + distance(second, target_1) / 2
        if pool is None:
            return loss
        online = m.encoder(views[2])
        with torch.no_grad():
            features = m.target_encoder(pool)
            chosen = (normalize(online) @ normalize(features).T).argmax(1)
        if self.merged:
            ahead = m.predictor(m.projector(online))
            back = m.predictor(m.projector(m.encoder(pool[chosen])))
            with torch.no_grad():
                target = m.target_projector(features[chosen])
                target_back = m.target_projector(m.target_encoder(views[2]))
            mined = distance(ahead, target) / 2 + distance(back, target_back) / 2
        else:
            prediction = m.mined_predictor(m.mined_projector(m.projector(online)))
            with torch.no_grad():
                target = m.target_mined_projector(m.target_projector(features[chosen]))
            mined = distance(prediction, target)
        return (loss + 0.1 * mined) / 1.1


class OurStep:
    """One step as `train` takes it, without Lightning around it."""

    def __init__(self, method: Any) -> None:
        self.method = copy.deepcopy(method)
        self.optimizer = self.method.configure_optimizers()["optimizer"]
        self.step = 0

    def __call__(self) -> None:
        """Take one step."""
        self.optimizer.zero_grad()
        self.method.step_logs(self.method.draw_at(self.step))["loss"].backward()
        self.optimizer.step()
        self.method.after_step(self.step)
        self.step += 1


def distance(prediction: Tensor, target: Tensor) -> Tensor:
    """Return 2 - 2 cos, averaged over samples."""
    return (2 - 2 * (normalize(prediction) * normalize(target)).sum(1)).mean()


def forever(loader: DataLoader[Any]) -> Iterator[Any]:
    """Yield batches, epoch after epoch."""
    while True:
        yield from loader


def in_turns(first: Callable[[], Any], second: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """Return the median ratio of the second's time to the first's, and half its interquartile range."""
    ratios: list[float] = []
    for _ in range(rounds):
        seconds: list[float] = []
        for work in (first, second):
            start = time.process_time()
            work()
            seconds.append(time.process_time() - start)
        ratios.append(seconds[1] / seconds[0])
    ordered = sorted(ratios)
    return statistics.median(ratios), (ordered[3 * len(ordered) // 4] - ordered[len(ordered) // 4]) / 2


def steps(images: np.ndarray, batch: int, crop: int, rounds: int) -> Iterator[Figure]:
    """Yield, for each method, our step's speed over the plain one's, whose losses must agree."""
    for name, passes in METHODS.items():
        settings = TrainSettings(method=name, batch_size=batch, steps=1000, device="cpu", exclude_self=False)
        method = new_method(images, settings)
        counted = passes_of(method)
        if counted != passes:
            sys.exit(f"{name}: a step must pass {passes} views, got {counted}")
        check_losses(method, images, crop)
        ours, plain = OurStep(method), PlainStep(method, images, crop)
        for warm in (ours, plain):
            warm()
        ratio, spread = in_turns(ours, plain, rounds)
        yield Figure(f"{name}: step, times as fast as plain PyTorch", ratio, spread, at_least=1.1)


def check_losses(method: Any, images: np.ndarray, crop: int) -> None:
    """Exit unless both implementations find the same loss in the same views."""
    ours, plain = copy.deepcopy(method), PlainStep(method, images, crop)
    views = next(plain.loader)
    pool = next(plain.pool)[0] if plain.mining else None
    wanted = plain.loss(views, pool)
    found = ours.loss(views[0], views[1])
    if pool is not None:
        from mtneuro_ssl.methods.myow import Candidates

        candidates = Candidates(view=views[2], pool=pool, pool_positions=torch.arange(len(pool)))
        found = (found + 0.1 * ours.mined_loss(candidates)[0]) / 1.1
    if abs(found.item() - wanted.item()) > 1e-4:
        sys.exit(f"{method.settings.method}: the losses must agree, got {found.item()} and {wanted.item()}")


def passes_of(method: Any) -> tuple[int, int]:
    """Return how often a step passes images through the online and through the target encoder."""
    watched = copy.deepcopy(method)
    counts = [0, 0]

    def counter(place: int) -> Callable[..., None]:
        def count(*_: object) -> None:
            counts[place] += 1

        return count

    watched.encoder.register_forward_hook(counter(0))
    watched.target_encoder.register_forward_hook(counter(1))
    watched.step_logs(watched.draw_at(0))
    return counts[0], counts[1]


def whole_run(images: np.ndarray, batch: int, count: int, rounds: int) -> Figure:
    """Return the time of a run with data and records over that of its bare steps on ready views."""
    settings = TrainSettings(
        method="byol", batch_size=batch, steps=count, device="cpu", checkpoint_every=1e9, monitor_every=10**9
    )
    method = new_method(images, settings)
    views = [(draw.view(), draw.view()) for draw in map(method.draw_at, range(count))]

    def bare() -> None:
        stepping = OurStep(method)
        for step, (first, second) in enumerate(views):
            stepping.optimizer.zero_grad()
            stepping.method.loss(first, second).backward()
            stepping.optimizer.step()
            stepping.method.after_step(step)

    seconds: list[float] = []

    def run() -> None:
        marks: list[float] = []
        with tempfile.TemporaryDirectory() as folder:
            train(
                images,
                settings,
                out=Path(folder) / "m",
                progress=lambda *_: marks.append(time.process_time()),
            )
        # From the end of the first step to that of the last but one, which also writes the checkpoint.
        seconds.append((marks[-2] - marks[0]) / (count - 2))

    for warm in (bare, run):
        warm()
    seconds.clear()
    ratios: list[float] = []
    for _ in range(rounds):
        start = time.process_time()
        bare()
        alone = (time.process_time() - start) / count
        run()
        ratios.append(seconds[-1] / alone)
    spread = (max(ratios) - min(ratios)) / 2
    return Figure("byol: run with data, over its bare steps", statistics.median(ratios), spread, at_most=1.05)


def pca(rounds: int, *, images: int = 1440, pixels: int = 4096, count: int = 256) -> Figure:
    """Return our PCA's speed over a full decomposition's, after a check of equal error."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(images, 300)) @ rng.normal(size=(300, pixels)) + rng.normal(size=(images, pixels))
    rows = rows.astype(np.float32)
    mean = rows.mean(axis=0, dtype=np.float64)
    centred = rows - mean

    def ours() -> np.ndarray:
        return principal_components(rows, mean, count=count)

    def full() -> np.ndarray:
        return np.linalg.svd(centred, full_matrices=False)[2][:count]

    errors = [np.linalg.norm(centred - centred @ found.T @ found) for found in (ours(), full())]
    if abs(errors[0] / errors[1] - 1) > 1e-6:
        sys.exit(f"pca: the errors must be equal, got {errors}")
    ratio, spread = in_turns(ours, full, rounds)
    return Figure(f"pca: {count} of {pixels}, times as fast as a full SVD", ratio, spread, at_least=3)


def nmf(images: np.ndarray, components: int, iterations: tuple[int, ...]) -> Iterator[dict[str, float]]:
    """Yield NMF's processor seconds and relative error by iterations."""
    rows = images.reshape(len(images), -1) / 255
    for limit in iterations:
        start = time.process_time()
        settings = TrainSettings(method="nmf", components=components, nmf_iterations=limit)
        model = NMF.fitted(images, settings, progress=None)
        seconds = time.process_time() - start
        found = model.embed(images) @ model.tensors()["components"].numpy().reshape(model.dim, -1)
        yield {
            "iterations": limit,
            "seconds": round(seconds, 2),
            "error": round(float(np.linalg.norm(found - rows) / np.linalg.norm(rows)), 4),
        }


def tissue(count: int, side: int) -> np.ndarray:
    """Return smooth random images."""
    rng = np.random.default_rng(0)
    rough = torch.from_numpy(rng.normal(size=(count, 1, side // 4, side // 4)).astype(np.float32))
    smooth = torch.nn.functional.interpolate(rough, size=(side, side), mode="bicubic")[:, 0].numpy()
    return np.clip(125 + 32 * smooth + rng.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)


def main() -> None:
    """Measure, print one table, and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="smaller batches and fewer rounds, about a minute"
    )
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    batch, crop, rounds = (6, 64, 2) if quick else (32, 64, 5)
    images = tissue(4 * batch, 2 * crop)
    smaller = tissue(32, 64) if quick else images
    figures: list[Figure] = []
    for figure in (
        *steps(images, batch, crop, rounds),
        whole_run(smaller, 8 if quick else batch, 6 if quick else 8, 1 if quick else 3),
        pca(1 if quick else 3, images=720 if quick else 1440),
    ):
        figures.append(figure)
        bound = f">= {figure.at_least}" if figure.at_least is not None else f"<= {figure.at_most}"
        verdict = "" if figure.holds else "  missed"
        print(f"{figure.name:52} {figure.ratio:6.2f} +- {figure.spread:4.2f}  {bound}{verdict}", flush=True)
    small = tissue(64 if quick else 360, 32)
    curve = list(nmf(small, 32 if quick else 256, (10, 50) if quick else (10, 50, 200)))
    for point in curve:
        print(
            f"nmf after {point['iterations']:3.0f} iterations: {point['seconds']:.1f} s, "
            f"error {point['error']:.4f}"
        )
    RESULTS.mkdir(exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    report = {
        "date": stamp, "quick": quick, "torch": torch.__version__, "machine": platform.machine(),
        "figures": [asdict(figure) for figure in figures], "nmf": curve,
    }  # fmt: skip
    place = RESULTS / f"ssl-{stamp}.json"
    place.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"results -> {place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place}")
    sys.exit(0 if all(figure.holds for figure in figures) else 1)


if __name__ == "__main__":
    main()
