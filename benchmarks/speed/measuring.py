"""Measure for the speed scripts: times taken in turns, peaks of memory, and the bounds that they must meet.

A figure is the ratio of our time to that of the simplest correct version, after a check that both give the
same result (which also warms both). The default clock is processor time of one thread, which other work on
the machine hardly changes; what waits for a network or other processes takes ``clock=time.perf_counter``.
"""

import inspect
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NotRequired, Self, TypedDict, Unpack


class Bounds(TypedDict):
    """What a figure is held to and how it is told; without floor and ceiling it is only reported."""

    at_least: NotRequired[float | None]
    at_most: NotRequired[float | None]
    unit: NotRequired[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number, with the floor or the ceiling that it is held to.

    Examples
    --------
    >>> Figure.of("sum, plain / ours", [3.0, 4.0, 5.0], at_least=2)
    Figure(name='sum, plain / ours', value=4.0, spread=0.5, rounds=3, unit='', at_least=2, at_most=None)
    >>> Figure(name="peak / result", value=1.5, at_most=1.3).verdict
    'SHORT'
    """

    name: str
    """What was measured, in one line, the same in every run."""

    value: float
    """The median of its rounds."""

    spread: float | None = None
    """Half the distance between the quartiles of its rounds: one slow round must not hide the rest.
    None where it was measured once."""

    rounds: int = 1
    """How often it was measured."""

    unit: str = ""
    """The value's unit; none for a ratio."""

    at_least: float | None = None
    """The floor."""

    at_most: float | None = None
    """The ceiling."""

    @classmethod
    def of(cls, name: str, values: Sequence[float], **bounds: Unpack[Bounds]) -> Self:
        """Return the figure of a value that was measured in several rounds."""
        spread = None
        if len(values) > 1:
            low, _, high = statistics.quantiles(values, n=4, method="inclusive")
            spread = (high - low) / 2
        return cls(name=name, value=statistics.median(values), spread=spread, rounds=len(values), **bounds)

    @property
    def holds(self) -> bool:
        """Whether the value is on the right side of its bounds; one that is not a number never is."""
        above = self.at_least is None or self.value >= self.at_least
        below = self.at_most is None or self.value <= self.at_most
        return above and below

    @property
    def bound(self) -> str:
        """The floor and the ceiling as they are printed."""
        floor = "" if self.at_least is None else f">= {self.at_least:.4g}"
        ceiling = "" if self.at_most is None else f"<= {self.at_most:.4g}"
        return f"{floor} {ceiling}".strip()

    @property
    def verdict(self) -> str:
        """``ok``, ``SHORT`` of a bound, or ``reported`` where there is none."""
        if not self.bound:
            return "reported"
        return "ok" if self.holds else "SHORT"

    @property
    def measured(self) -> str:
        """The value, its spread and its unit as they are printed."""
        spread = "" if self.spread is None else f" ± {_short(self.spread)}"
        return f"{_short(self.value)}{spread} {self.unit}".rstrip()

    def record(self) -> dict[str, Any]:
        """Return what is written down of the figure."""
        return asdict(self) | {"value": float(self.value), "holds": self.holds}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """Return the figure that was written down."""
        return cls(**{key: value for key, value in record.items() if key != "holds"})


def _short(value: float) -> str:
    """Return two decimals of a small number, three digits of a large or tiny one."""
    return f"{value:.2f}" if 0.01 <= abs(value) < 1000 or value == 0 else f"{value:.3g}"


def seconds_in_turns(
    *work: Callable[[], object], rounds: int, clock: Callable[[], float] = time.process_time
) -> list[list[float]]:
    """Return the seconds of each piece of work, round by round, run in turns so that drifts hit all alike."""
    seconds: list[list[float]] = [[] for _ in work]
    for _ in range(rounds):
        for piece, taken in zip(work, seconds, strict=True):
            start = clock()
            piece()
            taken.append(clock() - start)
    return seconds


def ratio(name: str, over: Sequence[float], under: Sequence[float], **bounds: Unpack[Bounds]) -> Figure:
    """Return the figure of one piece of work's seconds over another's of the same rounds."""
    return Figure.of(name, [a / b for a, b in zip(over, under, strict=True)], **bounds)


def compared(
    name: str,
    over: Callable[[], object],
    under: Callable[[], object],
    *,
    rounds: int,
    clock: Callable[[], float] = time.process_time,
    **bounds: Unpack[Bounds],
) -> Figure:
    """Return the figure of the time of ``over`` divided by that of ``under``, measured in turns.

    Say ``compared("…, plain / ours", plain, ours, at_least=…)`` for how many times faster ours is, and
    ``compared("…, ours / plain", ours, plain, at_most=…)`` for what it costs.
    """
    return ratio(name, *seconds_in_turns(over, under, rounds=rounds, clock=clock), **bounds)


def keep_freed_memory() -> None:
    """Let the C library keep what is freed, for what allocates megabytes a turn.

    Otherwise it gives them back to the system at times, and whoever comes next waits for new pages: with
    batches of 16 MB up to half of a turn, now of one version and now of the other.
    """
    if sys.platform == "linux":
        import ctypes

        trim, mapped = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
        library = ctypes.CDLL(None)
        library.mallopt(trim, 2**31 - 1)
        library.mallopt(mapped, 2**25)


def peak_bytes(work: Callable[..., Iterator[None]], *arguments: str | int | Path) -> int:
    """Return the memory that some work takes at its peak over its start, in a fresh process.

    Parameters
    ----------
    work
        A generator function at the top of its script. What it does before its ``yield`` makes ready
        (imports, first calls) and is not counted; what follows is.
    arguments
        Its arguments.
    """
    script = inspect.getsourcefile(work)
    assert script is not None, "the work must stand in a script"
    given = json.dumps(arguments, default=str)
    # In a process of its own, and not by getrusage, whose peak a child takes over from its parent.
    # Without settings that keep freed memory, by which what was made ready would hide what the work takes.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    child = subprocess.run(
        [sys.executable, __file__, script, work.__name__, given],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return int(child.stdout.split()[-1])


def _measure_peak(script: str, name: str, arguments: str) -> None:
    """Print the peak over the start of a script's function; the other end of `peak_bytes`."""
    sys.path.insert(0, str(Path(script).parent))
    work: Iterator[None] = getattr(import_module(Path(script).stem), name)(*json.loads(arguments))
    next(work)
    start = _resident_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    for _ in work:
        raise ValueError(f"{name} must yield once, between making ready and its work, got a second yield")
    print(_resident_bytes("VmHWM") - start)


def _resident_bytes(field: str) -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        raise OSError(f"memory is measured where {status} tells it, as on Linux; got {sys.platform}")
    line = next(line for line in status.read_text("ascii").splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    _measure_peak(*sys.argv[1:])
