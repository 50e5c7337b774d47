"""Show how cost grows with work: the exponent of repeated measurements, a table and a figure."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtneuro_suite.report.grids import Grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement."""

    work: int
    """Times the smallest, or workers."""

    seconds: float
    memory_mib: float


def median_point(points: Sequence[Point]) -> Point:
    """Return the medians of repeated measurements."""
    return Point(
        points[0].work,
        statistics.median(point.seconds for point in points),
        statistics.median(point.memory_mib for point in points),
    )


def slope(points: Sequence[Point]) -> float:
    """Return the exponent of time against work: 1 is linear, 0 is free.

    Examples
    --------
    >>> round(slope([Point(1, 2.0, 0), Point(2, 4.0, 0), Point(4, 8.0, 0)]), 6)
    1.0
    """
    x = [math.log(point.work) for point in points]
    y = [math.log(point.seconds) for point in points]
    return statistics.linear_regression(x, y).slope


def scale_figure(measured: Mapping[str, Sequence[Point]], titles: Mapping[str, str]) -> "Figure":
    """Return time and memory against work, log-log beside the line of proportion, and the suite's workers.

    Parameters
    ----------
    measured
        Points by name; those of ``suite`` are of workers.
    titles
        What each name is called.
    """
    from matplotlib.figure import Figure

    by_work = {name: points for name, points in measured.items() if name != "suite"}
    panels = 2 * bool(by_work) + ("suite" in measured)
    figure = Figure(figsize=(4.6 * panels, 4.1), layout="constrained")
    axes = list(figure.subplots(1, panels, squeeze=False).flat)
    if by_work:
        most = max(point.work for points in by_work.values() for point in points)
        time_axes, memory_axes = axes[:2]
        for place, (name, points) in enumerate(by_work.items()):
            style = {"color": COLOURS[place], "marker": "os^Dv"[place], "ms": 5, "lw": 1.4}
            work = [point.work for point in points]
            times = [point.seconds / points[0].seconds for point in points]
            time_axes.plot(work, times, label=f"{titles[name]} ({slope(points):.2f})", **style)
            memory_axes.plot(work, [max(point.memory_mib, 1) for point in points], **style)
        time_axes.plot([1, most], [1, most], color="0.5", ls="--", lw=1, label="in proportion (1.00)")
        low = min(max(points[0].memory_mib, 1) for points in by_work.values())
        memory_axes.plot([1, most], [low, low * most], color="0.5", ls="--", lw=1)
        ticks = [2**i for i in range(most.bit_length())]
        _log(time_axes, "times the work", "times the time", ticks)
        _log(memory_axes, "times the work", "peak memory over the start, MiB", ticks)
        # The memory's lines have the colours of the times'.
        time_axes.legend(fontsize="small", frameon=False)
        time_axes.set_title("time, and its exponent")
        memory_axes.set_title("memory")
    if "suite" in measured:
        points = measured["suite"]
        workers = [point.work for point in points]
        axes[-1].plot(
            workers, [point.seconds for point in points], color=COLOURS[0], marker="o", label="the suite"
        )
        ideal = [points[0].seconds * points[0].work / count for count in workers]
        axes[-1].plot(workers, ideal, color="0.5", ls="--", lw=1, label="ideal")
        _log(axes[-1], "workers", "seconds", workers)
        axes[-1].legend(fontsize="small", frameon=False)
        axes[-1].set_title("workers")
    return figure


def _log(axes: "Axes", x: str, y: str, ticks: Sequence[int]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(list(ticks), [str(tick) for tick in ticks])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.25)


def scale_grid(measured: Mapping[str, Sequence[Point]], titles: Mapping[str, str]) -> Grid:
    """Return the measurements as a table."""
    rows: list[tuple[str | float | None, ...]] = []
    for name, points in measured.items():
        exponents = [slope(points) if len(points) > 1 else None] + [None] * (len(points) - 1)
        for point, exponent in zip(points, exponents, strict=True):
            rows.append((titles[name], point.work, point.seconds, point.memory_mib, exponent))
    return Grid(
        title="Cost against work",
        columns=("what", "times", "seconds", "memory, MiB", "exponent"),
        rows=tuple(rows),
        digits={"seconds": 2, "memory, MiB": 0, "exponent": 2},
    )
