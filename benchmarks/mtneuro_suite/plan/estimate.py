"""Estimate what a plan will cost: time, memory, disk and downloads, from a short timing on this machine."""

import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from timeit import Timer
from typing import TYPE_CHECKING

import psutil
from mtneuro_data import Cache, TaskSpec
from rich.filesize import decimal

from mtneuro_suite.plan.costs import core_speed, duration, forward_cost, image_count, pixel_count
from mtneuro_suite.plan.table1 import CLASSICAL
from mtneuro_suite.runs.run import Run, seconds_ahead
from mtneuro_suite.runs.step import Step
from mtneuro_suite.steps import Arrays, Encoder, Segmenter

if TYPE_CHECKING:
    import torch

_SIDE = 64
"""Side of the images that networks are timed on, in pixels."""

_STEP = 1.4
"""Time of an encoder's training step over that of its passes: measured 1.3 of a ResNet-18, and 1.6 of a
ResNet-10, beside whose passes views and the optimiser weigh more."""

LABEL_BYTES = 8
"""A voxel of labels, as the database sends it before compression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What one network costs, measured."""

    factor: float
    """Its time over what the plan assumed."""

    saved_per_pixel: float
    """Bytes that training keeps of each pixel for the backward pass."""

    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the runs to do will cost."""

    runs: int
    done: int
    seconds: float
    """Wall time with ``processes``, and never less than the longest chain of runs."""

    processes: int
    memory_bytes: int
    """Of the largest run, beside what the process itself takes; on a GPU the same."""

    process_bytes: int
    disk_bytes: int
    download_bytes: int

    def lines(self) -> list[tuple[str, str]]:
        """Return the figures in words."""
        each = self.memory_bytes + self.process_bytes
        largest, most = decimal(each), decimal(each * self.processes)
        return [
            ("runs", f"{self.runs}, of which {self.done} are done"),
            ("time", f"about {duration(self.seconds)} with {self.processes} processes here"),
            (
                "memory",
                f"{largest} for the largest run, {most} at most in all",
            ),
            ("GPU memory", f"{decimal(self.memory_bytes)} for the largest run, where there is a GPU"),
            ("disk", f"{decimal(self.disk_bytes)} for arrays, models and results"),
            (
                "download",
                f"{decimal(self.download_bytes)} before compression, beside what is cached"
                if self.download_bytes
                else "nothing",
            ),
        ]

    def check(self, output: Path) -> None:
        """Raise if the machine cannot do it.

        Raises
        ------
        ValueError
            If the disk is too full, or the memory too small for the largest run or for all processes.
        """
        there = next(folder for folder in (output.resolve(), *output.resolve().parents) if folder.exists())
        free = shutil.disk_usage(there).free
        if self.disk_bytes > free:
            raise ValueError(
                f"output needs {decimal(self.disk_bytes)} of disk, and {there} has {decimal(free)} free; "
                "use another --output"
            )
        total, each = psutil.virtual_memory().total, self.memory_bytes + self.process_bytes
        if each > total:
            raise ValueError(
                f"the largest run needs {decimal(each)} of memory, and this machine has {decimal(total)}; "
                "lower its batch_size (--set task1.settings.batch_size=…, or task2's) or use another machine"
            )
        if each * self.processes > total:
            fit = total // each
            raise ValueError(
                f"{self.processes} processes need up to {decimal(each * self.processes)} of memory, and this "
                f"machine has {decimal(total)}; use --workers {fit}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedCosts:
    """How long the runs to do will take."""

    seconds: Mapping[str, float]
    """On one core of this machine, by the runs' names."""

    wall: float
    """Seconds that pass with all processes, and never less than the longest chain of runs."""

    basis: str
    """What was timed."""


def timed_costs(todo: Sequence[Run], *, processes: int, device: str) -> TimedCosts:
    """Return how long the runs to do will take, after a timing of a second or two.

    What a run costs a core of a known speed is known, and the machine's own speed is timed. Where torch is
    loaded already, as it is where encoders that are not ours were tried, a pass of each network is timed too.

    Parameters
    ----------
    todo
        The runs, needs first.
    processes
        Runs at a time.
    device
        ``cpu``, ``cuda`` or ``mps``.
    """
    steps = {run.id: _network_of(run) for run in todo}
    rates: dict[str, float] = {}
    if "torch" in sys.modules:
        for step in steps.values():
            if step is not None and _network_name(step) not in rates:
                rates[_network_name(step)] = _rate(step, device).factor
    seconds = {
        run.id: _seconds(run, None if (step := steps[run.id]) is None else rates.get(_network_name(step)))
        for run in todo
    }
    timed = ["a matrix product", *(["a pass of each network"] if rates else [])]
    return TimedCosts(
        seconds=seconds,
        wall=_wall(todo, seconds, processes),
        basis=f"by {' and '.join(timed)}, timed here",
    )


def _network_of(run: Run) -> Encoder | Segmenter | None:
    """Return the step that says which network a run spends its time in; None where it is no network."""
    step = run.step
    if isinstance(step, Encoder | Segmenter):
        return _trained(step)
    encoder = next(iter(run.needs.get("encoder", ())), None)
    return None if encoder is None else _trained(encoder.step)


def _seconds(run: Run, factor: float | None) -> float:
    """Return the seconds that a run takes, by its network's time over the costs' or by the core's speed."""
    if factor is None:
        return run.cost / core_speed()
    return run.cost * factor * (_STEP if isinstance(run.step, Encoder) else 1.0)


def _wall(todo: Sequence[Run], seconds: Mapping[str, float], processes: int) -> float:
    return max(
        sum(seconds.values()) / max(1, processes), max(seconds_ahead(todo, seconds).values(), default=0.0)
    )


def estimate(
    runs: Sequence[Run], todo: Sequence[Run], *, processes: int, device: str, progress: Callable[[str], None]
) -> Estimate:
    """Return what the runs to do will cost, after timing each of their networks for a moment.

    Parameters
    ----------
    runs, todo
        All runs, and those of them that are not done.
    processes
        Runs at a time.
    device
        ``cpu``, ``cuda`` or ``mps``.
    progress
        Called with the name of what is timed.
    """
    rates: dict[str, Rate] = {}
    seconds: dict[str, float] = {}
    arrays = {
        one.id: one.step.task for run in todo for one in (run, *run.needed) if isinstance(one.step, Arrays)
    }
    memory = disk = 0
    for run in todo:
        factor, held, kept = None, 0, 0
        read = [arrays[one.id] for one in (run, *run.needed) if one.id in arrays]
        trained = _trained(run.step)
        if trained is not None:
            name = _network_name(trained)
            if name not in rates:
                progress(name)
                rates[name] = _rate(trained, device)
            rate = rates[name]
            factor = rate.factor
            # Weights, their gradients and the optimiser's state; a slow copy besides, where there is one.
            held = 16 * rate.parameters + int(rate.saved_per_pixel * _pixels_a_step(read[0], trained))
            kept = 4 * (rate.parameters + _head_parameters(trained))
        memory = max(memory, held + 3 * sum(map(_n_bytes, read)))
        disk += kept + (_n_bytes(arrays[run.id]) if run.id in arrays else 200_000)
        seconds[run.id] = _seconds(run, factor)
    return Estimate(
        runs=len(runs),
        done=len(runs) - len(todo),
        seconds=_wall(todo, seconds, processes),
        processes=max(1, processes),
        memory_bytes=memory,
        process_bytes=psutil.Process().memory_info().rss,
        disk_bytes=disk,
        download_bytes=_download_bytes(run.step.task for run in todo if isinstance(run.step, Arrays)),
    )


def _trained(step: Step) -> Encoder | Segmenter | None:
    """Return the step itself where it trains a network."""
    if isinstance(step, Segmenter) or (isinstance(step, Encoder) and step.train.method not in CLASSICAL):
        return None if step.taken else step
    return None


def _head_parameters(step: Encoder | Segmenter) -> int:
    """Return about how many weights a run keeps beside its network's: BYOL's and MYOW's heads."""
    if isinstance(step, Segmenter) or not step.train.entry.keeps_heads:
        return 0
    train = step.train
    width, out = train.latent_dim or 512, train.projection
    second = 4 * out if train.method == "myow" else 0
    return train.hidden * (width + 3 * out + second)


def _network_name(step: Encoder | Segmenter) -> str:
    if isinstance(step, Encoder):
        return step.train.encoder if step.train.depth is None else f"{step.train.encoder} in 3D"
    settings = step.train
    parts = (settings.model, settings.encoder_name, settings.filters, settings.levels)
    return " ".join(str(part) for part in parts if part is not None)


def _pixels(task: TaskSpec) -> int:
    """Return the pixels of one image or subvolume."""
    return pixel_count(task) * task.depth


def _n_bytes(task: TaskSpec) -> int:
    """Return how much an ``arrays`` run of the task loads."""
    return image_count([task]) * _pixels(task) * (1 if task.kind == "region" else 2)


def _pixels_a_step(task: TaskSpec, step: Encoder | Segmenter) -> float:
    """Return the pixels whose activations a training step keeps."""
    # Self-supervised methods keep two or three crops of a quarter of each image.
    whole = isinstance(step, Segmenter) or step.train.method.startswith("supervised")
    return step.train.batch_size * _pixels(task) * (1 if whole else 0.75)


def _download_bytes(tasks: Iterable[TaskSpec]) -> int:
    """Return the bytes of every chunk that a database has to send, each once, beyond what is cached."""
    boxes: dict[str, list[tuple[tuple[int, int, int], tuple[int, int, int]]]] = defaultdict(list)
    for task in tasks:
        for uri in (task.image, task.annotation):
            if uri is not None and uri.startswith("bossdb://"):
                boxes[uri] += [(box.lower, box.upper) for _, box in task.boxes("all")]
    cache = Cache()
    return sum(
        cache.missing_voxels(uri, some) * (1 if uri.endswith("/image") else LABEL_BYTES)
        for uri, some in boxes.items()
    )


def _rate(step: Encoder | Segmenter, device: str) -> Rate:
    return _encoder_rate(step, device) if isinstance(step, Encoder) else _segmenter_rate(step, device)


def _encoder_rate(step: Encoder, device: str) -> Rate:
    from mtneuro_ssl import tried_settings, untrained

    depth = step.train.depth
    shape = (8, 1, _SIDE, _SIDE) if depth is None else (2, 1, depth, _SIDE // 2, _SIDE // 2)
    settings = step.train.model_copy(update={"encoder_weights": None, "start_from": None})
    encoder = untrained(tried_settings(settings, sizes=[shape[2:]])).encoder
    rate = _measured(encoder, shape, device, backward=False)
    return replace(rate, factor=rate.factor / (shape[0] * forward_cost(prod(shape[-2:]), depth or 1)))


def _segmenter_rate(step: Segmenter, device: str) -> Rate:
    from mtneuro_seg import build_network

    settings = step.train.model_copy(update={"encoder_weights": None})
    rule = settings.size_rule
    size = rule.padded((8, _SIDE, _SIDE)[-settings.network.axes :])
    count = max(2, rule.least_batch)
    rate = _measured(build_network(settings), (count, 1, *size), device, backward=True)
    return replace(rate, factor=rate.factor / (count * prod(size) / 1e5))


def _measured(network: "torch.nn.Module", shape: tuple[int, ...], device: str, *, backward: bool) -> Rate:
    """Return the seconds of one pass (as ``factor``) and what it keeps, on one thread as a run has it."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = network.to(device).train()
        images = torch.zeros(shape, device=device)
        saved = 0

        def counted(tensor: "torch.Tensor") -> "torch.Tensor":
            nonlocal saved
            saved += tensor.numel() * tensor.element_size()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(counted, lambda tensor: tensor):
            network(images).sum().backward()

        def one() -> None:
            if backward:
                network(images).sum().backward()
            else:
                with torch.no_grad():
                    network(images)
            if device == "cuda":
                torch.cuda.synchronize()
            elif device == "mps":
                torch.mps.synchronize()

        one()
        # Of a core, processor time, which other work on the machine hardly changes.
        clock = time.process_time if device == "cpu" else time.perf_counter
        passes, seconds = Timer(one, timer=clock).autorange()
    finally:
        torch.set_num_threads(threads)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    # Weights are among what is saved; they do not grow with the image.
    saved_per_pixel = max(0, saved - 4 * parameters) / prod(shape)
    return Rate(factor=seconds / passes, saved_per_pixel=saved_per_pixel, parameters=parameters)
