"""Measure how fast mtneuro-seg is beside simple correct versions, and check its floors.

    python benchmarks/speed/speed_seg.py --quick

Scores beside those of segmentation-models-pytorch and torchmetrics; a training step of each network beside a
plain fp32 loop with a DataLoader; feeding beside a tensor in memory; whole-volume inference beside MONAI's
and beside the bare network; a Zarr volume, and two Dask workers beside one. Each pair is checked for the same
result, then run in turns, one thread each; figures are ratios of processor seconds. The floors of a processor
that multiplies bf16 matrices itself (AMX) bind on such a one only. Exits with 1 if a floor is missed.
"""

import gc
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from command import Unavailable, main
from measuring import Figure, compared, peak_bytes, ratio, seconds_in_turns
from mtneuro_seg import (
    Model,
    SweepSettings,
    TrainSettings,
    build_network,
    confusion_matrix,
    load_model,
    network,
    normalised,
    paper_settings,
    predict_volume,
    scores,
    swept_labels,
    train,
)

torch.set_num_threads(1)

CLASSES = 4
NAMES = ("background", "vessels", "cells", "axons")
CPU_INFO = Path("/proc/cpuinfo")
HAS_AMX = CPU_INFO.exists() and "amx_bf16" in CPU_INFO.read_text()
TABLE_2 = ("unet", "manet", "fpn", "unetplusplus", "pan", "pspnet", "unet3d", "vnetlight", "highresnet3d")
PAPER_IMAGES = 1200


def image(*shape: int) -> np.ndarray:
    """Return a seeded uint8 image volume."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def tissue(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image of blurred blobs in noise, and their classes: what a network can learn."""
    rng = np.random.default_rng(0)
    ground = torch.from_numpy(rng.normal(size=shape).astype(np.float32))[:, None]
    smooth = torch.nn.functional.avg_pool2d(ground, 17, stride=1, padding=8)[:, 0].numpy()
    masks = np.digitize(smooth, np.quantile(smooth, [0.6, 0.75, 0.9])).astype(np.uint8)
    return (60 + 45 * masks + rng.normal(0, 8, shape)).clip(0, 255).astype(np.uint8), masks


def untrained(name: str, **changes: Any) -> Model:
    """Return a network with random weights as a model."""
    settings = TrainSettings.model_validate({"model": name, "classes": CLASSES, **changes})
    return Model(network=build_network(settings).eval(), settings=settings, class_names=NAMES)


def scoring(*, quick: bool) -> Iterator[Figure]:
    """F1 and IoU of a test set beside the two libraries, image by image as their users call them."""
    import segmentation_models_pytorch as smp
    from torchmetrics.classification import MulticlassF1Score, MulticlassJaccardIndex

    shape, rounds = (20 if quick else 200, 256, 256), 3 if quick else 5
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
    mine, theirs, others = seconds_in_turns(ours, library, torchmetrics, rounds=rounds)
    yield ratio("scores, smp.metrics / ours", theirs, mine, at_least=8)
    yield ratio("scores, torchmetrics / ours", others, mine, at_least=15)
    tracemalloc.start()
    ours()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    yield Figure(name="scores, peak memory", value=peak, unit="MiB", at_most=10)


def plain_steps(images: np.ndarray, masks: np.ndarray, settings: TrainSettings) -> Iterator[None]:
    """Train as a tutorial does, fp32, torch's convolutions and a DataLoader, a step each time."""
    built = build_network(settings).train()
    for module in built.modules():
        if isinstance(module, torch.nn.Conv3d):
            module.__class__ = torch.nn.Conv3d
    optimiser = torch.optim.Adam(built.parameters(), lr=settings.learning_rate)
    data = torch.utils.data.TensorDataset(torch.from_numpy(images), torch.from_numpy(masks))
    while True:
        for batch, truth in torch.utils.data.DataLoader(data, batch_size=settings.batch_size, shuffle=True):
            optimiser.zero_grad()
            found = built(normalised(batch, settings)[:, None])
            torch.nn.functional.cross_entropy(found, truth.long()).backward()
            optimiser.step()
            yield


def resident_steps(images: np.ndarray, masks: np.ndarray, settings: TrainSettings) -> Iterator[None]:
    """Train on one batch that lies ready in memory, otherwise as the package does, a step each time."""
    built = build_network(settings).train().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (torch's stub)
    optimiser = torch.optim.Adam(built.parameters(), lr=settings.learning_rate)
    batch = normalised(torch.from_numpy(images[: settings.batch_size]), settings)[:, None]
    truth = torch.from_numpy(masks[: settings.batch_size]).long()
    while True:
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bf16-mixed"):
            loss = torch.nn.functional.cross_entropy(built(batch), truth)
        loss.backward()
        optimiser.step()
        yield


def trained_beside(
    images: np.ndarray, masks: np.ndarray, settings: TrainSettings, other: Iterator[None], *, rounds: int
) -> tuple[list[float], list[float]]:
    """Return the seconds of the package's steps and of the other's, one after the other.

    The steps are those of one training, so neither setting up nor compiling is counted; the last one, after
    which the resume point is written, is left out as well.
    """
    ours: list[float] = []
    theirs: list[float] = []
    next(other)
    start = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal start
        now = time.process_time()
        if 1 < done < total:
            ours.append(now - start)
            next(other)
            theirs.append(time.process_time() - now)
        start = time.process_time()

    with tempfile.TemporaryDirectory() as folder:
        measured = settings.model_copy(update={"steps": rounds + 2, "device": "cpu"})
        train(images, measured, masks=masks, out=Path(folder) / "model", progress=progress)
    return ours, theirs


def asked(name: str, **changes: Any) -> TrainSettings:
    """Return the settings of a training in one epoch, longer than it is measured for."""
    encoder = {"encoder_name": "efficientnet-b7"} if network(name).encoder else {}
    given = {"model": name, "classes": CLASSES, "batch_size": 4, "encoder_weights": None}
    return TrainSettings.model_validate(given | encoder | changes)


def step_figures(
    name: str,
    size: tuple[int, ...],
    *,
    rounds: int,
    batch: int,
    floor: float | None = None,
) -> Iterator[Figure]:
    """Yield the figure of one network, in bf16 where it may train in it, in fp32 elsewhere."""
    images = image(batch * (rounds + 3), *size)
    masks = images // 64
    plain = asked(name, batch_size=batch)
    half = network(name).axes == 2
    settings = plain.model_copy(update={"precision": "bf16-mixed"}) if half else plain
    ours, theirs = trained_beside(images, masks, settings, plain_steps(images, masks, plain), rounds=rounds)
    # The trainer is a ring of references: without this the next network finds gigabytes still taken.
    gc.collect()
    what = f"{name} step, {batch} x {' x '.join(map(str, size))}, plain fp32 / ours"
    yield ratio(f"{what} {'bf16' if half else 'fp32'}", theirs, ours, at_least=floor)


def step_unet(*, quick: bool) -> Iterator[Figure]:
    """A training step of the plain U-Net beside a plain fp32 loop, and its memory."""
    size = 128 if quick else 256
    # What a step does once, whatever its images (the optimiser, its logs), weighs more in quick's small ones.
    floor = (2 if quick else 2.2) if HAS_AMX else None
    yield from step_figures("unet", (size, size), rounds=3 if quick else 5, batch=4, floor=floor)
    ours, plain = peak_bytes(peak_of_training, "ours", size), peak_bytes(peak_of_training, "plain", size)
    yield Figure(name="unet step, peak memory, ours bf16 / plain fp32", value=ours / plain, at_most=1)


def peak_of_training(who: str, size: int) -> Iterator[None]:
    """Train two steps, for its memory."""
    images = image(12, size, size)
    masks = images // 64
    settings = asked("unet", steps=2)
    list(zip(range(1), plain_steps(images[:4, :32, :32], masks[:4, :32, :32], settings), strict=False))
    half = settings.model_copy(update={"precision": "bf16-mixed"})
    small = half.model_copy(update={"steps": 1})
    with tempfile.TemporaryDirectory() as folder:
        train(images[:4, :32, :32], small, masks=masks[:4, :32, :32], out=Path(folder) / "warm")
        yield
        if who == "ours":
            train(images, half, masks=masks, out=Path(folder) / "model")
        else:
            list(zip(range(2), plain_steps(images, masks, settings), strict=False))


def step_compiled(*, quick: bool) -> Iterator[Figure]:
    """A compiled training step of the plain U-Net, bf16, beside a plain fp32 loop."""
    size, rounds = 64 if quick else 256, 3
    images = image(4 * (rounds + 3), size, size)
    masks = images // 64
    settings = asked("unet", precision="bf16-mixed", compile=True)
    ours, theirs = trained_beside(
        images, masks, settings, plain_steps(images, masks, asked("unet")), rounds=rounds
    )
    name = f"unet step, 4 x {size} x {size}, plain fp32 / ours bf16 compiled"
    yield ratio(name, theirs, ours, at_least=4 if HAS_AMX else None)


def step_unetplusplus(*, quick: bool) -> Iterator[Figure]:
    """A training step of U-Net++ with EfficientNet-b7 beside a plain fp32 loop."""
    size = 64 if quick else 256
    yield from step_figures(
        "unetplusplus", (size, size), rounds=2 if quick else 3, batch=4, floor=None if quick else 1.3
    )


def step_others_2d(*, quick: bool) -> Iterator[Figure]:
    """A training step of every other 2D network, each with its figure."""
    size = 128 if quick else 256
    names = ("pspnet",) if quick else ("manet", "fpn", "pan", "pspnet", "linknet", "deeplabv3plus")
    for name in names:
        yield from step_figures(name, (size, size), rounds=2, batch=4)


def step_others_3d(*, quick: bool) -> Iterator[Figure]:
    """A training step of every 3D network, each with its figure (fp32 only on a CPU)."""
    size = (8, 32, 32) if quick else (8, 64, 64)
    names = (
        ("unet3d",)
        if quick
        else ("unet3d", "vnetlight", "highresnet3d", "highresnet", "swinunetr", "mednext")
    )
    # Where torch leaves oneDNN out (see `networks.blocks`); quick's subvolumes have fewer such layers.
    floors = {"unet3d": 1.8 if quick else 2.5, "highresnet3d": 1.6}
    for name in names:
        yield from step_figures(name, size, rounds=2, batch=1, floor=floors.get(name))


def feeding(*, quick: bool) -> Iterator[Figure]:
    """The rate of training steps, beside that with one batch that lies ready in memory."""
    size, rounds = 64 if quick else 128, 5 if quick else 15
    images = image(4 * (rounds + 3), size, size)
    masks = images // 64
    settings = asked("unet", precision="bf16-mixed", filters=16)
    ours, theirs = trained_beside(
        images, masks, settings, resident_steps(images, masks, settings), rounds=rounds
    )
    # A step of quick's images is four times as short, and to collate and log a batch takes as long as ever.
    floor = 0.9 if quick else 0.95
    yield ratio("feeding, rate of ours / of a tensor in memory", theirs, ours, at_least=floor)


def monai_labels(model: Model, volume: np.ndarray, sweep: SweepSettings) -> np.ndarray:
    """Return the labels of a volume as a user of MONAI's inferer makes them."""
    from monai.inferers.utils import sliding_window_inference

    images = normalised(torch.from_numpy(volume), model.settings)
    images = images[:, None] if model.settings.network.axes == 2 else images[None, None]
    window, count = sweep.window or (), sweep.batch_size
    with torch.inference_mode():
        blended: Any = sliding_window_inference(
            images, window, count, model.network, overlap=sweep.overlap, mode="gaussian"
        )
        return blended.argmax(dim=1).numpy().astype(np.uint8).reshape(volume.shape)


def bare(model: Model, volume: np.ndarray, sweep: SweepSettings) -> Callable[[], None]:
    """Return the network's own work over a volume: as many batches of windows, and nothing else."""
    window = sweep.window or ()
    count = 1
    for length, side in zip(volume.shape, (1,) * (3 - len(window)) + window, strict=True):
        step = max(int(side * (1 - sweep.overlap)), 1)
        count *= -(-max(length - side, 0) // step) + 1
    batch = torch.zeros(sweep.batch_size, 1, *window)

    def run() -> None:
        with torch.inference_mode():
            for _ in range(-(-count // sweep.batch_size)):
                model.network(batch)

    return run


def against_monai(
    title: str, model: Model, volume: np.ndarray, sweep: SweepSettings, *, rounds: int, floor: float
) -> Iterator[Figure]:
    """Yield the figure of one network beside MONAI's inferer in fp32, and beside the bare network."""
    settings = model.settings
    twin = untrained(settings.model, filters=settings.filters, levels=settings.levels)
    same = (swept_labels(model, volume, sweep=sweep) == monai_labels(twin, volume, sweep)).mean()
    if same < 0.9999:
        raise ValueError(f"{title}: labels must agree with MONAI's, got {same:.5f}")
    ours, theirs, network_alone = seconds_in_turns(
        lambda: swept_labels(model, volume, sweep=sweep),
        lambda: monai_labels(twin, volume, sweep),
        bare(twin, volume, sweep),
        rounds=rounds,
    )
    yield ratio(f"{title}, MONAI fp32 / ours fp32", theirs, ours, at_least=floor)
    yield ratio(f"{title}, ours fp32 / the bare network as MONAI runs it", ours, network_alone)


def inference_cheap(*, quick: bool) -> Iterator[Figure]:
    """Whole-volume inference of cheap networks, where blending is the cost, beside MONAI's."""
    rounds, deep = 3 if quick else 7, (8, 64, 64) if quick else (8, 128, 128)
    small = {"filters": 4, "levels": 2}
    # Of quick's three rounds the median spreads by some hundredths more than that of seven.
    yield from against_monai(
        "cheap 2D network", untrained("unet", **small), image(4, 512, 512),
        SweepSettings(window=(256, 256)), rounds=rounds, floor=1.35 if quick else 1.4,
    )  # fmt: skip
    yield from against_monai(
        "cheap 3D network", untrained("unet3d", **small), image(16, 256, 256),
        SweepSettings(window=deep), rounds=rounds, floor=1.15,
    )  # fmt: skip


def inference_unet(*, quick: bool) -> Iterator[Figure]:
    """Whole-volume inference of U-Nets, where the network is the cost, beside MONAI's."""
    rounds, side = 2 if quick else 3, 96 if quick else 144
    yield from against_monai(
        "U-Net 2D", untrained("unet"), image(1 if quick else 2, 384, 384),
        SweepSettings(window=(256, 256), overlap=0.5), rounds=rounds, floor=0.95,
    )  # fmt: skip
    yield from against_monai(
        "U-Net 3D", untrained("unet3d"), image(14, side, side),
        SweepSettings(window=(8, side * 2 // 3, side * 2 // 3), batch_size=2), rounds=rounds, floor=0.95,
    )  # fmt: skip


def inference_bf16(*, quick: bool) -> Iterator[Figure]:
    """bf16 inference of a trained U-Net beside MONAI's fp32, where their labels agree."""
    images, masks = tissue(4 if quick else 16, 128, 128)
    settings = asked("unet", filters=8 if quick else 32, steps=60, precision="bf16-mixed")
    with tempfile.TemporaryDirectory() as folder:
        train(images, settings, masks=masks, out=Path(folder) / "model")
        model, twin = load_model(Path(folder) / "model"), load_model(Path(folder) / "model")
    # Many windows where the floor binds, as volumes have: those by which bf16 is judged are few beside them.
    volume, _ = tissue(4 if quick else 32 if HAS_AMX else 8, 384, 384)
    sweep = SweepSettings(window=(256, 256), overlap=0.5)
    half = sweep.model_copy(update={"precision": "bf16-mixed"})
    try:
        labels = swept_labels(model, volume[:4], sweep=half)
    except ValueError as error:
        if quick:
            raise Unavailable(f"too little training for bf16, as --quick has it: {error}") from None
        raise
    same = float((labels == monai_labels(twin, volume[:4], sweep)).mean())
    yield Figure(name="trained U-Net 2D, labels equal in bf16 and MONAI fp32", value=same, at_least=0.999)
    yield compared(
        "trained U-Net 2D, MONAI fp32 / ours bf16",
        lambda: monai_labels(twin, volume, sweep),
        lambda: swept_labels(model, volume, sweep=half),
        rounds=2 if quick else 3,
        at_least=3.5 if HAS_AMX and not quick else None,
    )


def memory(*, quick: bool) -> Iterator[Figure]:
    """The peak of memory of 2D inference, beside MONAI's."""
    depth = 16 if quick else 64
    ours, theirs = (peak_bytes(peak_of_inference, who, depth) for who in ("ours", "monai"))
    name = f"2D inference over {depth} x 512 x 512, peak memory, ours / MONAI"
    yield Figure(name=name, value=ours / theirs, at_most=0.4)


def peak_of_inference(who: str, depth: int) -> Iterator[None]:
    """Label a volume in memory, for its memory."""
    model, sweep = untrained("unet", filters=4, levels=2), SweepSettings(window=(128, 128))
    work = {"ours": lambda volume: swept_labels(model, volume, sweep=sweep)}
    work["monai"] = lambda volume: monai_labels(model, volume, sweep)
    work[who](image(1, 128, 128))
    yield
    work[who](image(depth, 512, 512))


def zarr_volume(*, quick: bool) -> Iterator[Figure]:
    """A U-Net from Zarr to Zarr beside the bare network, and its memory against the slices."""
    import zarr

    model, volume = untrained("unet", filters=16 if quick else 32), image(16, 256, 256)
    model.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (torch's stub)
    sweep = SweepSettings(window=(256, 256))
    with tempfile.TemporaryDirectory() as folder:
        source = zarr.create_array(Path(folder) / "volume.zarr", data=volume, chunks=(16, 64, 64))

        def ours() -> None:
            predict_volume(model, source, out=Path(folder) / "labels.zarr", sweep=sweep)

        ours()
        yield compared(
            "U-Net 2D, Zarr to Zarr / the bare network",
            ours,
            bare(model, volume, sweep),
            rounds=3,
            at_most=1.15,
        )
    depths = (64, 128) if quick else (64, 256, 2048)
    # One process differs from the next by a fifth, by what its allocator keeps: the middle one of three.
    rounds = range(1 if quick else 3)
    peaks = [statistics.median(peak_bytes(peak_of_zarr, depth) for _ in rounds) for depth in depths]
    for (few, low), (many, high) in pairwise(zip(depths, peaks, strict=True)):
        growth = (high / low) ** (1 / math.log2(many / few)) - 1
        name = f"Zarr to Zarr, {few} to {many} slices, growth of peak memory a doubling"
        yield Figure(name=name, value=growth, at_most=None if quick else 0.1)


def peak_of_zarr(depth: int) -> Iterator[None]:
    """Label a volume that is never in memory, for its memory."""
    import zarr

    model, sweep = untrained("unet", filters=2, levels=2), SweepSettings(window=(256, 256))
    with tempfile.TemporaryDirectory() as folder:
        about: Any = {"chunks": (16, 64, 64), "dtype": "uint8", "fill_value": 99}
        source = zarr.create_array(Path(folder) / "volume.zarr", shape=(depth, 256, 256), **about)
        yield
        predict_volume(model, source, out=Path(folder) / "labels.zarr", sweep=sweep)


def two_workers(*, quick: bool) -> Iterator[Figure]:
    """Two Dask workers, processes of their own, beside one, where there are four cores."""
    from mtneuro_seg import predict_volume_on_cluster

    if (os.cpu_count() or 1) < 4:
        raise Unavailable(f"two workers beside one are measured on four cores, got {os.cpu_count()}")
    # Long enough that connecting, and the last row that one worker does alone, are little of it.
    model, volume = untrained("unet"), image(32 if quick else 256, 128, 128)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        model.save(root / "model")
        np.save(root / "volume.npy", volume)

        def labelled(address: str, out: str) -> None:
            predict_volume_on_cluster(
                address,
                root / "model",
                volume=root / "volume.npy",
                out=root / out,
                sweep=SweepSettings(window=(128, 128)),
                shard_depth=8,
            )

        with workers(1, root) as one, workers(2, root) as two:
            work = [lambda: labelled(one, "one.zarr"), lambda: labelled(two, "two.zarr")]
            for piece in work:
                piece()
            import zarr

            first, second = (zarr.open_array(root / name, mode="r") for name in ("one.zarr", "two.zarr"))
            np.testing.assert_array_equal(first[...], second[...])
            seconds = seconds_in_turns(*work, rounds=1 if quick else 3, clock=time.perf_counter)
        yield ratio("U-Net 2D, one Dask worker / two", *seconds, at_least=None if quick else 1.8)


@contextmanager
def workers(count: int, folder: Path) -> Generator[str]:
    """Run a scheduler and workers on the loopback address, and give its address."""
    import json

    known = folder / f"scheduler-{count}.json"
    common = [sys.executable, "-m"]
    about = ["--scheduler-file", str(known), "--host", "127.0.0.1", "--no-dashboard"]
    quiet: dict[str, Any] = {"stderr": subprocess.DEVNULL, "cwd": folder}
    started = [subprocess.Popen([*common, "distributed.cli.dask_scheduler", *about, "--port", "0"], **quiet)]
    alone = ["--no-nanny", "--nthreads", "1"]
    try:
        for _ in range(count):
            command = [*common, "distributed.cli.dask_worker", *about, *alone]
            started.append(subprocess.Popen(command, **quiet))
        deadline = time.monotonic() + 60
        while not (known.is_file() and known.stat().st_size):
            if time.monotonic() > deadline:
                raise TimeoutError("the scheduler must start within 60 s")
            time.sleep(0.1)
        from distributed import Client

        address = json.loads(known.read_text())["address"]
        with Client(address) as client:
            client.wait_for_workers(count)
        yield address
    finally:
        for process in started:
            process.kill()
            process.wait()


def paper_on_a_gpu(*, quick: bool) -> Iterator[Figure]:
    """Seconds an epoch of every network at the paper's size, and the hours of Table 2, on a GPU."""
    if not torch.cuda.is_available():
        raise Unavailable("epochs at the paper's size are measured on a CUDA GPU, and there is none")
    yield from epochs(TABLE_2[:1] if quick else TABLE_2, side=256, steps=5 if quick else 20, device="cuda")


def epochs(names: tuple[str, ...], *, side: int, steps: int, device: str) -> Iterator[Figure]:
    """Yield seconds an epoch, and the hours of two settings, five seeds and 20 epochs of them all."""
    total = 0.0
    for name in names:
        three_d = network(name).axes == 3
        count = PAPER_IMAGES // 8 if three_d else PAPER_IMAGES
        seconds = 0.0
        for classes in (3, 4):
            settings = paper_settings(
                name, classes, encoder_weights=None, precision="bf16-mixed" if device == "cuda" else "32-true"
            )
            taken = seconds_a_step(settings, (8,) * three_d + (side, side), steps=steps, device=device)
            seconds += taken * -(-count // settings.batch_size)
        total += seconds * 5 * 20
        yield Figure(name=f"{name}, an epoch of {PAPER_IMAGES} images", value=seconds / 2, unit="s")
    yield Figure(name=f"Table 2, {len(names)} networks, without its search", value=total / 3600, unit="h")


def seconds_a_step(settings: TrainSettings, size: tuple[int, ...], *, steps: int, device: str) -> float:
    """Return the seconds of a training step, the first three left out."""
    images = image(settings.batch_size * 4, *size)
    marks: list[float] = []

    def progress(done: int, total: int) -> None:
        if done in {3, total - 1}:
            if device == "cuda":
                torch.cuda.synchronize()
            marks.append(time.perf_counter())

    changes = {"steps": steps + 4, "checkpoint_every": 10**6, "device": device}
    masks = images // (256 // settings.classes + 1)
    with tempfile.TemporaryDirectory() as folder:
        train(
            images, settings.model_copy(update=changes), masks=masks,
            out=Path(folder) / "model", progress=progress,
        )  # fmt: skip
    return (marks[1] - marks[0]) / steps


PARTS = (
    scoring,
    step_unet,
    step_compiled,
    step_unetplusplus,
    step_others_2d,
    step_others_3d,
    feeding,
    inference_cheap,
    inference_unet,
    inference_bf16,
    memory,
    zarr_volume,
    two_workers,
    paper_on_a_gpu,
)

if __name__ == "__main__":
    sys.exit(main("seg", PARTS, about=__doc__))
