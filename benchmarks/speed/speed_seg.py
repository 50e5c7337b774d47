"""How fast mtneuro-seg is beside simple correct versions, against its floors.

    python benchmarks/speed/speed_seg.py --quick

Scores beside those of segmentation-models-pytorch and torchmetrics; whole-volume inference beside MONAI's and
beside the bare network; a training step beside a plain fp32 loop. Each pair is checked for the same result,
then run in turns on one core; figures are ratios of processor seconds. The floors of bf16 bind where the
processor multiplies bf16 matrices itself (AMX). Exits with 1 if a floor is missed.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from mtneuro_seg import (
    Model,
    SweepSettings,
    TrainSettings,
    build_network,
    confusion_matrix,
    predict_volume,
    scores,
    swept_labels,
)
from mtneuro_seg.lightning_loop import fitted
from mtneuro_seg.model import normalised
from mtneuro_seg.schedule import Schedule
from mtneuro_seg.segmenter import Segmenter
from mtneuro_seg.sweep import window_of
from mtneuro_seg.windows import windows_over

CLASSES = 4
HAS_AMX = "amx_bf16" in Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else False
NAMES = ("background", "vessels", "cells", "axons")

Row = dict[str, Any]


def timed(work: list[Callable[[], Any]], rounds: int) -> list[list[float]]:
    """Return the processor seconds of each piece of work, run in turns so that drifts hit all alike."""
    seconds: list[list[float]] = [[] for _ in work]
    for _ in range(rounds):
        for number, piece in enumerate(work):
            start = time.process_time()
            piece()
            seconds[number].append(time.process_time() - start)
    return seconds


def row(title: str, ours: list[float], other: list[float], floor: float | None) -> Row:
    """Return a line of the table: how many times faster ours is, round by round."""
    ratios = [b / a for a, b in zip(ours, other, strict=True)]
    middle = statistics.median(ratios)
    return {
        "title": title,
        "ratio": middle,
        "spread": max(ratios) - min(ratios),
        "floor": floor,
        "passed": floor is None or middle >= floor,
    }


def untrained(name: str, **changes: Any) -> Model:
    """Return a network with random weights as a model."""
    settings = TrainSettings.model_validate({"model": name, "classes": CLASSES, **changes})
    return Model(network=build_network(settings).eval(), settings=settings, class_names=NAMES)


def image(*shape: int) -> np.ndarray:
    """Return a seeded uint8 image volume."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def score_rows(rounds: int, *, quick: bool) -> list[Row]:
    """Time scores of a test set beside the two libraries, image by image as their users call them."""
    import segmentation_models_pytorch as smp
    from torchmetrics.classification import MulticlassF1Score, MulticlassJaccardIndex

    shape = (20 if quick else 200, 256, 256)
    rng = np.random.default_rng(0)
    truth = rng.integers(0, CLASSES, shape, dtype=np.uint8)
    prediction = np.where(rng.random(shape) < 0.8, truth, rng.integers(0, CLASSES, shape)).astype(np.uint8)
    tensors = [torch.from_numpy(each.astype(np.int64)) for each in (prediction, truth)]

    def ours() -> np.ndarray:
        return scores(confusion_matrix(truth, prediction, classes=CLASSES)).iou

    def library() -> np.ndarray:
        counts: list[Any] = [
            smp.metrics.get_stats(p[None], t[None], mode="multiclass", num_classes=CLASSES)
            for p, t in zip(*tensors, strict=True)
        ]
        sums: list[Any] = [torch.cat(each).sum(dim=0, keepdim=True) for each in zip(*counts, strict=True)]
        smp.metrics.f1_score(*sums)
        return smp.metrics.iou_score(*sums)[0].numpy()

    def torchmetrics() -> np.ndarray:
        found = [
            metric(num_classes=CLASSES, average="none")
            for metric in (MulticlassJaccardIndex, MulticlassF1Score)
        ]
        for p, t in zip(*tensors, strict=True):
            for metric in found:
                metric.update(p[None], t[None])
        return found[0].compute().numpy()

    for other in (library, torchmetrics):
        np.testing.assert_allclose(ours(), other(), rtol=1e-5)
    seconds = timed([ours, library, torchmetrics], rounds)
    tracemalloc.start()
    ours()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return [
        {
            "title": "scores: peak memory in MiB, at most 10",
            "ratio": peak,
            "spread": 0.0,
            "floor": None,
            "passed": peak < 10,
        },
        row("scores, beside smp.metrics", seconds[0], seconds[1], 8),
        row("scores, beside torchmetrics", seconds[0], seconds[2], 15),
    ]


def monai_labels(model: Model, volume: np.ndarray, sweep: SweepSettings) -> np.ndarray:
    """Return the labels of a volume as a user of MONAI's inferer makes them."""
    from monai.inferers.utils import sliding_window_inference

    images = normalised(torch.from_numpy(volume), model.settings)
    images = images[:, None] if model.settings.network.axes == 2 else images[None, None]
    with torch.inference_mode():
        blended: Any = sliding_window_inference(
            images,
            sweep.window or (),
            sweep.batch_size,
            model.network,
            overlap=sweep.overlap,
            mode="gaussian",
        )
        return blended.argmax(dim=1).numpy().astype(np.uint8).reshape(volume.shape)


def windows_in(model: Model, volume: np.ndarray, sweep: SweepSettings) -> int:
    """Return how many windows slide over a volume."""
    window = window_of(model, sweep)
    overlap = (sweep.overlap if window[0] > 1 else 0.0, sweep.overlap, sweep.overlap)
    depth, height, width = volume.shape
    return len(list(windows_over((depth, height, width), window, overlap=overlap, rows=range(depth))))


def inference_rows(rounds: int, *, quick: bool) -> list[Row]:
    """Time whole-volume inference beside MONAI's inferer and beside the bare network."""
    deep, flat = (8, 64, 64) if quick else (8, 128, 128), (256, 256)
    wide = 96 if quick else 192
    cases: list[tuple[str, Model, np.ndarray, SweepSettings, float, float | None]] = [
        ("cheap 2D network", untrained("unet", filters=4, levels=2), image(4, 512, 512),
         SweepSettings(window=flat), 1.4, None),
        ("cheap 3D network", untrained("unet3d", filters=4, levels=2), image(16, 256, 256),
         SweepSettings(window=deep), 1.15, None),
        ("U-Net 32, 2D", untrained("unet"), image(1 if quick else 4, 384, 384),
         SweepSettings(window=flat, overlap=0.5), 0.95, 3.5),
        ("U-Net 32, 3D", untrained("unet3d"), image(14, wide, wide),
         SweepSettings(window=deep, batch_size=2), 0.95, 3.5),
    ]  # fmt: skip
    rows: list[Row] = []
    for title, model, volume, sweep, floor, floor_half in cases:
        reference = untrained(
            model.settings.model, filters=model.settings.filters, levels=model.settings.levels
        )
        half = sweep.model_copy(update={"precision": "bf16-mixed"})
        batches = -(-windows_in(model, volume, sweep) // sweep.batch_size)
        window = torch.zeros(sweep.batch_size, 1, *(sweep.window or ()))

        def bare(model: Model = model, batches: int = batches, window: torch.Tensor = window) -> None:
            with torch.inference_mode():
                for _ in range(batches):
                    model.network(window)

        same = (swept_labels(model, volume, sweep=sweep) == monai_labels(reference, volume, sweep)).mean()
        if same < 0.9999:
            raise SystemExit(f"{title}: labels must agree with MONAI's, got {same:.5f}")
        seconds = timed(
            [
                lambda m=model, v=volume, s=sweep: swept_labels(m, v, sweep=s),
                lambda m=reference, v=volume, s=sweep: monai_labels(m, v, s),
                bare,
                lambda m=model, v=volume, s=half: swept_labels(m, v, sweep=s),
            ],
            rounds,
        )
        rows += [
            row(f"{title}: fp32, beside MONAI fp32", seconds[0], seconds[1], floor),
            row(f"{title}: bf16, beside MONAI fp32", seconds[3], seconds[1], floor_half if HAS_AMX else None),
            row(f"{title}: share of the bare network in fp32", seconds[0], seconds[2], None),
        ]
    return rows


def zarr_row(rounds: int) -> Row:
    """Time a U-Net over a Zarr volume beside the bare network, to which 1 / 1.15 of the time must go."""
    import zarr

    model, volume = untrained("unet", filters=16), image(16, 256, 256)
    sweep = SweepSettings(window=(256, 256))
    window = torch.zeros(sweep.batch_size, 1, 256, 256)

    def bare() -> None:
        with torch.inference_mode():
            for _ in range(len(volume) // sweep.batch_size):
                model.network(window)

    with tempfile.TemporaryDirectory() as folder:
        source = zarr.create_array(Path(folder) / "volume.zarr", data=volume, chunks=(16, 64, 64))

        def ours() -> None:
            predict_volume(model, source, out=Path(folder) / "labels.zarr", sweep=sweep)

        ours()
        seconds = timed([ours, bare], rounds)
    return row("U-Net 16, 2D, Zarr to Zarr: share of the bare network", seconds[0], seconds[1], 1 / 1.15)


def training_rows(rounds: int, *, quick: bool) -> list[Row]:
    """Time training, in bf16 and in fp32, beside a plain fp32 loop with a DataLoader."""
    size, count = (128, 12) if quick else (256, 16)
    images = image(count, size, size)
    masks = (images // 64).astype(np.uint8)
    rows: list[Row] = []
    encoders: dict[str, dict[str, Any]] = {"unet": {}}
    if not quick:
        encoders["unetplusplus"] = {"encoder_name": "efficientnet-b7"}
    for name, extra in encoders.items():
        asked = {
            "model": name,
            "classes": CLASSES,
            "epochs": 1,
            "batch_size": 4,
            "encoder_weights": None,
        } | extra
        plain = TrainSettings.model_validate(asked)
        half = plain.model_copy(update={"precision": "bf16-mixed"})
        seconds = timed(
            [
                lambda s=half: ours_trained(images, masks, s),
                lambda s=plain: plainly_trained(images, masks, s),
                lambda s=plain: ours_trained(images, masks, s),
            ],
            rounds,
        )
        floor = (2.2 if name == "unet" else 1.3) if HAS_AMX else None
        rows.append(
            row(f"{name}: training step bf16, beside a plain fp32 loop", seconds[0], seconds[1], floor)
        )
        rows.append(
            row(f"{name}: training step fp32, beside a plain fp32 loop", seconds[2], seconds[1], 0.95)
        )
    return rows


def ours_trained(images: np.ndarray, masks: np.ndarray, settings: TrainSettings) -> None:
    """Train one epoch, writing nothing but the resume point at its end."""
    schedule = Schedule.of(len(images), settings)
    segmenter = Segmenter(build_network(settings), settings, schedule=schedule, images=images, masks=masks)
    with tempfile.TemporaryDirectory() as folder:
        fitted(segmenter, checkpoint=Path(folder) / "resume", best=Path(folder) / "best", device="cpu")


def plainly_trained(images: np.ndarray, masks: np.ndarray, settings: TrainSettings) -> None:
    """Train one epoch as a tutorial does."""
    network = build_network(settings).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    data = torch.utils.data.TensorDataset(torch.from_numpy(images), torch.from_numpy(masks))
    for batch, truth in torch.utils.data.DataLoader(data, batch_size=settings.batch_size, shuffle=True):
        optimiser.zero_grad()
        scores = network(normalised(batch, settings)[:, None])
        torch.nn.functional.cross_entropy(scores, truth.long()).backward()
        optimiser.step()


def memory_rows(*, quick: bool) -> list[Row]:
    """Compare peaks of memory over the start, each in a process of its own."""
    depth = 16 if quick else 64
    peaks = {who: _peak_of(who, depth) for who in ("ours", "monai")}
    rows: list[Row] = [
        {
            "title": f"2D inference over {depth} x 512 x 512: MONAI's peak memory beside ours",
            "ratio": peaks["monai"] / peaks["ours"],
            "spread": 0.0,
            "floor": 1 / 0.4,
            "passed": peaks["ours"] <= 0.4 * peaks["monai"],
            "mebibytes": {who: round(peak / 2**20, 1) for who, peak in peaks.items()},
        }
    ]
    if not quick:
        small, large = (_peak_of("zarr", depth) for depth in (256, 2048))
        doublings = 3
        growth = (large / small) ** (1 / doublings) - 1
        rows.append(
            {
                "title": "Zarr to Zarr, 256 to 2048 slices: growth of peak memory a doubling",
                "ratio": growth,
                "spread": 0.0,
                "floor": None,
                "passed": growth < 0.1,
            }
        )
    return rows


def _peak_of(who: str, depth: int) -> float:
    child = subprocess.run(
        [sys.executable, __file__, "--measure-memory", who, str(depth)],
        capture_output=True,
        check=True,
        text=True,
    )
    return float(child.stdout)


def _peak_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])
    raise OSError("memory is measured where /proc/self/status tells it, as on Linux")


def _measure_memory(who: str, depth: int) -> None:
    sweep = SweepSettings(window=(128, 128))
    model = untrained("unet", filters=4, levels=2)
    for warm in (True, False):
        before = _peak_bytes()
        side, slices = (128, 1) if warm else (512, depth)
        if who == "zarr":
            _predict_stream(model, 1 if warm else depth, sweep)
        elif who == "ours":
            swept_labels(model, image(slices, side, side), sweep=sweep)
        else:
            monai_labels(model, image(slices, side, side), sweep)
    print(_peak_bytes() - before)


def _predict_stream(model: Model, depth: int, sweep: SweepSettings) -> None:
    """Predict a volume that is never in memory."""
    import zarr

    with tempfile.TemporaryDirectory() as folder:
        source = zarr.create_array(
            Path(folder) / "volume.zarr",
            shape=(depth, 128, 128),
            chunks=(16, 64, 64),
            dtype="uint8",
            fill_value=99,
        )
        predict_volume(model, source, out=Path(folder) / "labels.zarr", sweep=sweep)


def main() -> int:
    """Print the table, write it beside the others, and return 1 if a floor is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smaller work and fewer rounds")
    parser.add_argument("--measure-memory", nargs=2, metavar=("WHO", "DEPTH"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.measure_memory:
        _measure_memory(args.measure_memory[0], int(args.measure_memory[1]))
        return 0
    rounds = 3 if args.quick else 5
    rows = [
        *score_rows(rounds, quick=args.quick),
        *inference_rows(rounds, quick=args.quick),
        zarr_row(rounds),
        *training_rows(rounds, quick=args.quick),
        *memory_rows(quick=args.quick),
    ]
    print(f"{'':<66}{'ratio':>8}{'spread':>8}{'floor':>8}")
    for each in rows:
        floor = "" if each["floor"] is None else f"{each['floor']:.2f}"
        verdict = "" if each["passed"] else "  missed"
        print(f"{each['title']:<66}{each['ratio']:>8.2f}{each['spread']:>8.2f}{floor:>8}{verdict}")
    _write(rows, quick=args.quick)
    return 0 if all(each["passed"] for each in rows) else 1


def _write(rows: list[Row], *, quick: bool) -> None:
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    about = {
        "when": now.isoformat(),
        "quick": quick,
        "machine": platform.processor(),
        "torch": torch.__version__,
    }
    path = folder / f"seg-{now:%Y%m%dT%H%M%S}.json"
    path.write_text(json.dumps(about | {"rows": rows}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
