"""Correlation of slices by their distance, and the gap between training and test slices that it calls for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from mtneuro_data.opening import open_task
from mtneuro_data.sources.base import Progress
from mtneuro_data.task import TaskSpec

if TYPE_CHECKING:
    from mtneuro_data.cache.folder import Cache

DISTANCES = 30
"""Largest distance to measure, in slices, where none is given."""

THRESHOLD = 0.1
"""Correlation below which two slices count as unlike."""


@dataclass(frozen=True, slots=True, eq=False)
class SliceCorrelation:
    """Mean correlation of pairs of slices, by their distance.

    Examples
    --------
    >>> curve = SliceCorrelation(np.array([1.0, 0.5, 0.08, 0.02]))
    >>> curve.gap()
    1
    """

    correlation: Float64[np.ndarray, " distances"]
    """Mean Pearson correlation of slices 0, 1, 2, … apart."""

    @property
    def distance(self) -> Int64[np.ndarray, " distances"]:
        """Distance of the two slices of each kind of pair, from 0."""
        return np.arange(len(self.correlation))

    def gap(self, threshold: float = THRESHOLD) -> int | None:
        """Return how many slices to leave out so that no pair of slices across the gap is alike.

        That is one less than the distance from which on the correlation stays below the threshold;
        ``None`` where it does not fall that far.
        """
        alike = np.flatnonzero(self.correlation >= threshold)
        last = int(alike[-1]) if alike.size else 0
        return None if last + 1 >= len(self.correlation) else last


def slice_correlation(
    volume: UInt8[np.ndarray, "z y x"], /, *, furthest: int = DISTANCES
) -> SliceCorrelation:
    """Return the mean correlation of the slices of a volume by their distance.

    Parameters
    ----------
    volume
        Slices along the first axis.
    furthest
        Largest distance to measure; less if the volume is thinner.

    Raises
    ------
    ValueError
        If there are fewer than two slices, or a slice is all of one value.

    Notes
    -----
    The Pearson correlation of the pixels of two slices, averaged over all pairs of one distance;
    the figure A1 of the paper's appendix 1.1, which calls for a gap of 10.

    Examples
    --------
    >>> same = np.tile(np.arange(16, dtype=np.uint8).reshape(1, 4, 4), (5, 1, 1))
    >>> slice_correlation(same).correlation.round(6)
    array([1., 1., 1., 1., 1.])
    """
    n = len(volume)
    if n < 2:
        raise ValueError(f"need two slices or more to compare, got {n}")
    rows = volume.reshape(n, -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if (norms == 0).any():
        raise ValueError(f"slice {int(np.argmin(norms))} is all of one value, so nothing correlates with it")
    rows /= norms
    products = rows @ rows.T
    means = [np.diagonal(products, distance).mean() for distance in range(min(n, furthest + 1))]
    return SliceCorrelation(np.array(means, np.float64))


def task_correlations(
    task: TaskSpec,
    *,
    furthest: int = DISTANCES,
    cache: "Cache | None" = None,
    progress: Progress | None = None,
) -> dict[str, SliceCorrelation]:
    """Return the curve of every cube of a task's first split, by the cube's name.

    Raises
    ------
    ValueError, OSError
        As `load` and `slice_correlation`.
    """
    plain = task.replaced(annotation=None, kind="region", label_map={}, class_names=())
    first = next(iter(task.splits))
    image, _ = open_task(plain, first, cache=cache)
    cubes = task.boxes(first)
    curves: dict[str, SliceCorrelation] = {}
    for done, (name, cube) in enumerate(cubes, start=1):
        curves[name] = slice_correlation(image.read(*cube.box), furthest=furthest)
        if progress is not None:
            progress(done, len(cubes))
    return curves


def correlation_plot(
    curves: Mapping[str, SliceCorrelation], /, *, threshold: float = THRESHOLD
) -> UInt8[np.ndarray, "y x 3"]:
    """Return a picture of the curves, with the threshold as a dashed line."""
    from PIL import Image, ImageDraw

    from mtneuro_data.preview import PALETTE

    width, height, left, top = 640, 400, 50, 20
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    furthest = max(1, *(int(curve.distance[-1]) for curve in curves.values()))
    lowest = min(0.0, *(float(curve.correlation.min()) for curve in curves.values()))

    def place(distance: float, correlation: float) -> tuple[float, float]:
        x = left + distance / furthest * (width - left - 20)
        return x, top + (1 - correlation) / (1 - lowest) * (height - top - 40)

    draw.line([place(0, 1), place(0, lowest), place(furthest, lowest)], fill="black")
    for tick in range(0, furthest + 1, max(1, furthest // 6)):
        x, y = place(tick, lowest)
        draw.text((x - 4, y + 4), str(tick), fill="black")
    for tick in (0.0, threshold, 0.5, 1.0):
        x, y = place(0, tick)
        draw.text((x - 34, y - 6), f"{tick:.2g}", fill="black")
    for dash in range(0, 40, 2):
        ends = [place(furthest * at / 40, threshold) for at in (dash, dash + 1)]
        draw.line(ends, fill="grey")
    draw.text((width / 2 - 60, height - 18), "distance of slices", fill="black")
    for at, (name, curve) in enumerate(curves.items()):
        r, g, b = (int(value) for value in PALETTE[at % (len(PALETTE) - 1) + 1])
        points = [place(float(d), float(c)) for d, c in zip(curve.distance, curve.correlation, strict=True)]
        draw.line(points, fill=(r, g, b), width=2)
        draw.text((width - 120, top + 14 * at), name, fill=(r, g, b))
    return np.array(picture)
