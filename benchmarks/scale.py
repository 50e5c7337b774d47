"""Measure how cost grows with work: 1, 2, 4 and 8 times the images or voxels, and 1, 2 and 4 workers.

Each measurement runs in a process of its own, on one thread, after a warm-up at the smallest size that loads
the libraries. Time is processor time, which other work on the machine hardly changes; memory is the peak
resident set minus what the process held when its work began. For the suite, time is wall-clock time and
memory is that of all its processes together.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import psutil
from cyclopts import Parameter

from mtneuro_suite._shared.files import written_beside
from mtneuro_suite._shared.terminal import Output, command_line, run
from mtneuro_suite._shared.words import unknown_name
from mtneuro_suite.execute.executor import default_workers
from mtneuro_suite.report.grids import grid_text
from mtneuro_suite.report.scaling import Point, median_point, scale_figure, scale_grid
from mtneuro_suite.runs.provenance import forget_peak_memory, peak_memory_kib

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
SIDE = 128
WORKERS = (1, 2, 4)

SUITE = """
description = "Eight runs of equal size."
seeds = [1, 2, 3, 4, 5, 6, 7, 8]
device = "cpu"
[task1]
methods = ["byol"]
tasks = ["roi-c1"]
downsample = 4
z_step = 30
test_z_step = 50
[task1.settings]
steps = 12
batch_size = 16
latent_dim = 16
hidden = 64
projection = 16
"""

app = command_line("uv run benchmarks/scale.py", version=False)


def _load(work: int, _folder: Path) -> Callable[[], Any]:
    """Return the loading of 4 cubes of the phantom, 12 slices each for a unit of work."""
    from mtneuro_data import SplitPart, builtin_task, load

    task = builtin_task("roi-c1").with_source("phantom")
    part = SplitPart(cubes=task.splits["train"][0].cubes, z=(110, 110 + 12 * work))
    cut = task.replaced(splits={"all": (part,)}, downsample=1)
    return lambda: load(cut, "all")


def _images(n: int, side: int) -> Any:
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (n, side, side), np.uint8)


def _labels(n: int, side: int, *, classes: int) -> Any:
    """Return blobs of labels: the same 16 images over and over, so that the work grows with their number."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    labels = np.empty((16, side, side), np.uint8)
    for image in labels:
        smooth = gaussian_filter(rng.normal(size=(side, side)), 3)
        image[:] = np.digitize(smooth, np.linspace(0.4, 1.4, classes - 1) * smooth.std())
    return np.resize(labels, (n, side, side))


def _train_ssl(work: int, folder: Path) -> Callable[[], Any]:
    """Return one epoch of BYOL on 16 images for a unit of work."""
    from mtneuro_ssl import TrainSettings, train

    images = _images(16 * work, 64)
    settings = TrainSettings(method="byol", epochs=1, batch_size=8, hidden=64, projection=16, device="cpu")
    return lambda: train(images, settings, out=folder / str(work))


def _train_seg(work: int, folder: Path) -> Callable[[], Any]:
    """Return one epoch of the plain U-Net on 16 images for a unit of work."""
    from mtneuro_seg import TrainSettings, train

    images, masks = _images(16 * work, SIDE), _labels(16 * work, SIDE, classes=3)
    names = ("background", "vessel", "cell")
    settings = TrainSettings(model="unet", epochs=1, batch_size=4, filters=8, classes=3, device="cpu")
    return lambda: train(images, settings, masks=masks, class_names=names, out=folder / str(work))


def _features(work: int, _folder: Path) -> Callable[[], Any]:
    """Return the features of 512 label images for a unit of work."""
    import numpy as np
    from mtneuro_probe import semantic_features

    masks = _labels(512 * work, 256, classes=4)
    sample_id = np.array([f"A/z{z}" for z in range(len(masks))])
    return lambda: semantic_features(masks, sample_id=sample_id, voxel_size_um=(1.17, 1.17, 1.17))


def _predict(work: int, folder: Path) -> Callable[[], Any]:
    """Return the labelling of 48 images by the plain U-Net for a unit of work."""
    from mtneuro_seg import TrainSettings, predict, train

    few, masks = _images(4, SIDE), _labels(4, SIDE, classes=3)
    names = ("background", "vessel", "cell")
    settings = TrainSettings(model="unet", steps=1, batch_size=4, filters=8, classes=3, device="cpu")
    model = train(few, settings, masks=masks, class_names=names, out=folder / str(work))
    images = _images(48 * work, SIDE)
    return lambda: predict(model, images)


MEASURED: dict[str, tuple[str, Callable[[int, Path], Callable[[], Any]]]] = {
    "load": ("load voxels of the phantom", _load),
    "ssl": ("one epoch of BYOL, images", _train_ssl),
    "seg": ("one epoch of the U-Net, images", _train_seg),
    "features": ("semantic features, images", _features),
    "predict": ("predict with the U-Net, images", _predict),
}
"""What is measured against the amount of work: its title, and what prepares it."""

TITLES = {**{name: title for name, (title, _) in MEASURED.items()}, "suite": "the suite, workers"}


def _measured_here(name: str, work: int) -> Point:
    """Return one measurement, made in this process."""
    import torch

    torch.set_num_threads(1)
    prepare = MEASURED[name][1]
    with tempfile.TemporaryDirectory() as warm, tempfile.TemporaryDirectory() as folder:
        prepare(1, Path(warm))()
        job = prepare(work, Path(folder))
        forget_peak_memory()
        before = psutil.Process().memory_info().rss
        start = time.process_time()
        job()
        seconds = time.process_time() - start
        return Point(work, seconds, max(0.0, (1024 * peak_memory_kib() - before) / 2**20))


def _measured(name: str, work: int) -> Point:
    """Return one measurement, made in a fresh process."""
    command = [sys.executable, __file__, "--child", name, str(work)]
    environment = {**os.environ, **ONE_THREAD}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ChildProcessError(
            f"{name} at {work} times the work failed: {done.stderr.strip().splitlines()[-1]}"
        )
    return Point(**json.loads(done.stdout.splitlines()[-1]))


def _suite(workers: int) -> Point:
    """Return what the suite costs with so many workers; memory is the sum over its processes."""
    with tempfile.TemporaryDirectory() as folder:
        preset = Path(folder) / "scale.toml"
        preset.write_text(SUITE, encoding="utf-8")
        run_all = Path(__file__).parent / "run_all.py"
        options = ["--preset", preset, "--workers", workers, "--output", Path(folder) / "results"]
        start = time.perf_counter()
        process = psutil.Popen(
            [sys.executable, run_all, *map(str, options)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, _tree_memory(process))
            time.sleep(0.2)
        seconds = time.perf_counter() - start
        if process.returncode:
            raise ChildProcessError(f"the suite failed: {process.stderr.read().decode().strip()[-300:]}")
    return Point(workers, seconds, peak / 2**20)


def _tree_memory(process: psutil.Process) -> int:
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        # The process ended while its memory was read.
        pass
    return total


@app.default
def scale(
    *,
    quick: bool = False,
    only: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = tuple(TITLES),
    repeats: int = 3,
    output: Output = Path("results/scale"),
) -> Iterator[str]:
    """Measure cost against work, print a table, and write `scale.json` and `scale.png`.

    Loading, one epoch of training, features and prediction at 1, 2, 4 and 8 times the work; the suite with
    1, 2 and 4 workers (minutes). Other work on the machine slows the suite: measure it when there is none.
    Both files are written anew after each measurement, and keep what an earlier command measured there.

    Parameters
    ----------
    quick
        1 and 2 times the work, once each, and no suite.
    only
        Which to measure: `load`, `ssl`, `seg`, `features`, `predict`, `suite`.
    repeats
        Measurements of a point, of which the median is kept. The suite is measured once.
    output
        Folder for the files.
    """
    for name in only:
        if name not in TITLES:
            raise ValueError(unknown_name("--only", name, TITLES))
    if repeats < 1:
        raise ValueError(f"repeats must be 1 or more, got {repeats}")
    chosen = [name for name in only if not (quick and name == "suite")]
    if not chosen:
        raise ValueError("--quick leaves the suite out: name something else with --only")
    measured = _read(output / "scale.json")
    for name in chosen:
        print(f"{TITLES[name]} …", file=sys.stderr)
        measured[name] = _points(
            name, works=(1, 2) if quick else (1, 2, 4, 8), repeats=1 if quick else repeats
        )
        _write(output, measured)
    yield grid_text([scale_grid(measured, TITLES)], "markdown")
    yield f"measurements written to {output / 'scale.json'}, their drawing to {output / 'scale.png'}"


def _points(name: str, *, works: Sequence[int], repeats: int) -> list[Point]:
    if name == "suite":
        return [_suite(workers) for workers in WORKERS if workers <= default_workers()]
    # In turns, so that a busy moment does not fall on one size alone.
    rounds = [[_measured(name, work) for work in works] for _ in range(repeats)]
    return [median_point(points) for points in zip(*rounds, strict=True)]


def _read(path: Path) -> dict[str, list[Point]]:
    """Return what an earlier command measured, or nothing."""
    if not path.is_file():
        return {}
    try:
        measured = json.loads(path.read_text(encoding="utf-8"))["measured"]
        return {name: [Point(**point) for point in points] for name, points in measured.items()}
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} is not what scale.py writes; use another --output") from None


def _write(output: Path, measured: dict[str, list[Point]]) -> None:
    content = {
        "platform": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "load_average": psutil.getloadavg()[0],
        "measured": {name: [asdict(point) for point in points] for name, points in measured.items()},
    }
    with written_beside(output / "scale.json") as beside:
        beside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    with written_beside(output / "scale.png") as beside:
        scale_figure(measured, TITLES).savefig(beside, format="png", dpi=130, facecolor="white")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(asdict(_measured_here(sys.argv[2], int(sys.argv[3])))))
    else:
        sys.exit(run(app, sys.argv[1:], say=partial(print, flush=True)))
