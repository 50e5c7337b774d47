"""How much the runs of a task read, roughly how long a network takes over it, and times in words."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import ceil, prod

import numpy as np
import psutil
from mtneuro_data import TaskSpec

_ASSUMED = 60.0
"""Operations a second, in 1e9, of the core whose seconds a run's cost counts."""

_REACHED = 0.75
"""Share of a matrix product's rate that a ResNet-18 reaches on a busy machine: between the 0.65 of a training
step of BYOL and the 0.82 of embedding that were measured on a Xeon with AVX-512."""


_START = 8.0
"""Seconds until the processes have loaded torch and the first run begins, measured."""

_CROWDED = 0.8
"""Share of a machine's cores above which others may be waiting for one."""


def image_count(tasks: Iterable[TaskSpec]) -> int:
    """Return how many images (or subvolumes) the tasks load."""
    return sum(task.counts()["all"] for task in tasks)


def image_size(task: TaskSpec) -> tuple[int, int]:
    """Return the height and width of a task's images."""
    cube = next(iter(task.cubes.values()))
    height, width = ((hi - lo) // task.downsample for lo, hi in (cube.y, cube.x))
    return height, width


def pixel_count(task: TaskSpec) -> int:
    """Return the pixels of one slice of a task's images."""
    return prod(image_size(task))


def forward_cost(pixels: float, depth: int = 1) -> float:
    """Return the seconds of a ResNet-18 forward pass: 4.43 GFLOP for 64 x 64 pixels, 60 GFLOP/s a core.

    Of a subvolume, by the pixels of one slice: kernels are 3 times as large in three dimensions, and each of
    the last three of the four stages has half the slices of the stage before.

    Examples
    --------
    >>> forward_cost(4096, 8) / forward_cost(4096)
    11.25
    """
    flat = pixels / 4096 * 4.43 / 60
    return flat if depth == 1 else flat * 3 * sum(ceil(depth / 2**stage) for stage in range(4)) / 4


@cache
def core_speed() -> float:
    """Return how many times as fast as the costs assume a core of this machine is.

    Timed by the matrix product of 1024 x 1024 numbers in single precision, for a few hundredths of a
    second. Counts processor time, which other work on the machine hardly changes.
    """
    matrix = np.ones((1024, 1024), np.float32)
    shortest = float("inf")
    for _ in range(4):
        before = time.process_time()
        np.matmul(matrix, matrix)
        shortest = min(shortest, time.process_time() - before)
    return _REACHED * 2 * 1024**3 / max(shortest, 1e-6) / 1e9 / _ASSUMED


def duration(seconds: float) -> str:
    """Return a time as a person would say it.

    Examples
    --------
    >>> duration(42), duration(200), duration(7300), duration(300_000)
    ('42 s', '3 min', '2.0 h', '3.5 days')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


class OtherWork:
    """How much other programs compute on this machine, seen while this one prepares.

    A load average of the last minute has what has just ended too, such as an installation.

    Examples
    --------
    >>> seen = OtherWork()
    >>> 0 <= seen.load() < 1000
    True
    """

    def __init__(self) -> None:
        self._before = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        times = psutil.cpu_times()
        # A core's seconds that others used: `nice` stands apart, and a guest's are the user's too.
        busy = times.user + times.system + getattr(times, "nice", 0.0)
        own = psutil.Process().cpu_times()
        return time.monotonic(), busy - own.user - own.system

    def load(self) -> float:
        """Return how many programs compute beside this one.

        As many as cores that were busy with others since the start; where nearly all were, more may wait for
        one, and the system's load average tells how many.
        """
        (start, before), (now, after) = self._before, self._now()
        busy = max(0.0, after - before) / max(now - start, 1e-3)
        crowded = busy > _CROWDED * (psutil.cpu_count() or 1)
        return psutil.getloadavg()[0] if crowded else busy


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How long work takes, beside the other programs of a machine."""

    seconds: float
    """Of the wall clock."""

    processes: int
    """Those that share the work, a core each."""

    slower: float
    """How many times as long it takes as on an idle machine."""

    load: float
    """Programs that compute here already."""

    def __str__(self) -> str:
        """Return it as a person would say it."""
        beside = (
            f" beside what computes here already (a load of {self.load:.1f})" if self.slower > 1.2 else ""
        )
        return f"roughly {duration(self.seconds)} with {self.processes} processes{beside}"


def forecast(seconds: float, processes: int, *, cores: int, load: float = 0.0) -> Forecast:
    """Return how long work takes beside the other programs of a machine.

    Parameters
    ----------
    seconds
        Of the wall clock, where nothing else computes.
    processes
        Those that share the work, a core each.
    cores
        Cores of the machine, which all programs share alike.
    load
        Programs that compute on it already, from `OtherWork`.

    Examples
    --------
    >>> print(forecast(120, 2, cores=2))
    roughly 2 min with 2 processes
    >>> print(forecast(120, 2, cores=2, load=6.0))
    roughly 9 min with 2 processes beside what computes here already (a load of 6.0)
    >>> print(forecast(120, 2, cores=8, load=6.0))
    roughly 2 min with 2 processes
    """
    slower = max(1.0, (processes + load) / max(cores, processes))
    return Forecast(seconds=(_START + seconds) * slower, processes=processes, slower=slower, load=load)
