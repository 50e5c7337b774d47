"""How fast mtneuro-probe measures label images, against its floors.

    python benchmarks/speed/speed_probe.py --quick

The five features of the paper beside the same definitions as most would write them (scikit-image's region
properties and scikit-learn's k-d tree, image by image), the original benchmark's definition likewise, time
and memory against the number of slices, a Zarr volume, and several processes. Every ratio is of two ways
that were first seen to give the same result, measured in turns. Exits with 1 if a floor is missed.
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
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
import zarr
from mtneuro_probe import original_features, semantic_features
from skimage.measure import label, regionprops
from sklearn.neighbors import KDTree

RESULTS = Path(__file__).parent / "results"
SIDE = 256
CELL_RADIUS = 5
# Of the paper's volume: vessel, cell and axon, in percent of the voxels.
PROPORTIONS = {1: 3.74, 2: 6.36, 3: 34.77}


@dataclass(frozen=True)
class Figure:
    """One ratio and its floor or ceiling."""

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

    @property
    def bound(self) -> str:
        """The floor or ceiling in words."""
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return "" if self.at_most is None else f"<= {self.at_most:g}"


def compared(
    name: str, plain: Callable[[], Any], ours: Callable[[], Any], *, rounds: int, **bound: float
) -> Figure:
    """Return the plain version's time over ours, measured in turns."""
    ratios = [_seconds(plain) / _seconds(ours) for _ in range(rounds)]
    return Figure(name, statistics.median(ratios), _spread(ratios), **bound)


def _seconds(work: Callable[[], Any]) -> float:
    """Return the processor's time for one thread of work, which other processes do not lengthen."""
    start = time.process_time()
    work()
    return time.process_time() - start


def _spread(ratios: list[float]) -> float:
    """Return half the distance between the quartiles: one slow round must not hide the rest."""
    ordered = sorted(ratios)
    return (ordered[(3 * len(ordered)) // 4] - ordered[len(ordered) // 4]) / 2


def tissue(slices: int, *, seed: int = 0) -> np.ndarray:
    """Return labels of the paper's proportions: round cells, tubes and bands of axons."""
    rng = np.random.default_rng(seed)
    z, y, x = np.mgrid[:slices, :SIDE, :SIDE].astype(np.float32)
    waves = np.sin(x / 17 + 2 * np.sin(y / 41 + z / 60)) + np.sin(y / 23 + 2 * np.sin(x / 53 - z / 80))
    labels = np.where(waves > np.quantile(waves[::8], 1 - PROPORTIONS[3] / 100), 3, 0).astype(np.uint8)
    del z, y, x, waves
    _draw(labels, rng, value=1, radius=2, run=int(slices * SIDE**2 * PROPORTIONS[1] / 100 / (np.pi * 4 * 60)))
    volume = 4 / 3 * np.pi * CELL_RADIUS**3
    _draw(labels, rng, value=2, radius=CELL_RADIUS, run=int(slices * SIDE**2 * PROPORTIONS[2] / 100 / volume))
    return labels


def _draw(labels: np.ndarray, rng: np.random.Generator, *, value: int, radius: int, run: int) -> None:
    """Draw spheres; vessels are rows of them."""
    steps = 60 if value == 1 else 1
    ball = np.argwhere(np.sum(np.mgrid[[slice(-radius, radius + 1)] * 3] ** 2, axis=0) <= radius**2) - radius
    starts = rng.uniform(0, labels.shape, size=(run, 3))
    ways = rng.normal(size=(run, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    for step in range(steps):
        at = np.round(starts + step * ways).astype(int)[:, None] + ball
        inside = ((at >= 0) & (at < labels.shape)).all(axis=2)
        labels[tuple(at[inside].T)] = value


def plain_features(labels: np.ndarray, size_um: float = 1.17) -> np.ndarray:
    """Return the five features image by image, as their definitions read."""
    rows = []
    for image in labels:
        cells = regionprops(label(image == 2, connectivity=2))
        centres = np.array([cell.centroid for cell in cells]) * size_um
        near = KDTree(centres).query(centres, k=2)[0][:, 1].mean() if len(cells) > 1 else np.nan
        area = np.mean([cell.area for cell in cells]) * size_um**2 if cells else np.nan
        rows.append([(image == 1).mean(), (image == 3).mean(), len(cells), area, near])
    return np.array(rows)


def plain_original(labels: np.ndarray) -> np.ndarray:
    """Return the original's numbers corner by corner, one property and one tree at a time."""
    numbers = cc3d.connected_components((labels == 2).astype(np.int32), connectivity=6)
    half = labels.shape[2] // 2
    low, high = slice(None, half), slice(-half, None)
    corners = [(low, low), (low, high), (high, low), (high, high)]
    table = np.zeros((4 * len(labels), 7))
    for row in range(len(table)):
        at = (row // 4, *corners[row % 4])
        vessels = regionprops((labels[at] == 1).astype(np.uint8))
        axons = regionprops((labels[at] == 3).astype(np.uint8))
        table[row, 0] = 100 * vessels[0].area / labels[at].size if vessels else np.nan
        table[row, 1] = 100 * axons[0].area / labels[at].size if axons else 0
        cells = regionprops(numbers[at])
        table[row, 2] = len(cells)
        if len(cells) < 2:
            table[row, 4] = 64
            continue
        centres = np.array([cell.centroid for cell in cells])
        table[row, 4] = table[row, 5] = KDTree(centres).query(centres, k=2)[0].mean()
        table[row, 3] = sum(cell.area for cell in cells) / len(cells)
        table[len(cells) - 1, 6] = 100 * cells[0].area / labels[0].size
    return table


def speed(labels: np.ndarray, *, rounds: int) -> list[Figure]:
    """Return both definitions beside their plain versions."""
    np.testing.assert_allclose(semantic_features(labels).to_numpy(), plain_features(labels), rtol=1e-12)
    np.testing.assert_allclose(original_features(labels), plain_original(labels), rtol=1e-12)
    size = " x ".join(map(str, labels.shape))
    return [
        compared(
            f"five features of {size}, plain / ours",
            lambda: plain_features(labels),
            lambda: semantic_features(labels),
            rounds=rounds,
            at_least=10,
        ),
        compared(
            f"original definition of {size}, plain / ours",
            lambda: plain_original(labels),
            lambda: original_features(labels),
            rounds=rounds,
            at_least=5,
        ),
    ]


def growth(labels: np.ndarray, folder: Path, *, rounds: int) -> list[Figure]:
    """Return time, memory and processes for four times as many slices: 1440 against 360."""
    labels = np.concatenate([labels] * (360 // len(labels)))
    large = np.concatenate([labels] * 4)
    np.save(folder / "small.npy", labels)
    np.save(folder / "large.npy", large)
    for name, volume in (("small", labels), ("large", large)):
        stored = zarr.create_array(
            str(folder / f"{name}.zarr"), shape=volume.shape, dtype="u1", chunks=(16, SIDE, SIDE)
        )
        stored[...] = volume
    whole = semantic_features(large)
    from_zarr = semantic_features(zarr.open_array(str(folder / "large.zarr"), mode="r"))
    shared = semantic_features(large, workers=2)
    assert whole.equals(from_zarr), "streamed from Zarr differs from in memory"
    assert whole.equals(shared), "two processes differ from one"
    ratios = [
        _seconds(lambda: semantic_features(large)) / _seconds(lambda: semantic_features(labels)) / 4
        for _ in range(rounds)
    ]
    peaks = {name: _peak(folder / name) for name in ("large.npy", "small.zarr", "large.zarr")}
    slices = f"{len(large)} / {len(labels)} slices"
    streamed = peaks["large.zarr"] / large.nbytes
    in_memory = peaks["large.npy"] / large.nbytes
    growth_a_byte = (peaks["large.zarr"] - peaks["small.zarr"]) / (large.nbytes - labels.nbytes)
    return [
        Figure(f"time a slice, {slices}", statistics.median(ratios), _spread(ratios), at_most=1.25),
        Figure(f"peak memory of {len(large)} slices / the volume's size", in_memory, 0, at_most=2),
        Figure(f"peak memory streamed from Zarr / volume, {len(large)} slices", streamed, 0, at_most=0.5),
        Figure("peak memory for each further byte streamed from Zarr", growth_a_byte, 0, at_most=0.25),
    ]


def _peak(path: Path) -> int:
    """Return the bytes that measuring a file takes in a fresh process, over what it had at the start."""
    command = [sys.executable, __file__, "--measure", str(path)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _measure(path: Path) -> None:
    # What is made ready at the first call, and kept, is no memory of the volume's.
    labels = np.load(path, mmap_mode="r") if path.suffix == ".npy" else zarr.open_array(str(path), mode="r")
    semantic_features(np.asarray(labels[:1]))
    del labels
    start = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    labels = np.load(path) if path.suffix == ".npy" else zarr.open_array(str(path), mode="r")
    semantic_features(labels)
    print(_resident("VmHWM") - start)


def _resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"the system must tell {field} in /proc/self/status")


def main() -> int:
    """Measure, print the table, write it down, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a quarter of the slices, under a minute")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure is not None:
        _measure(given.measure)
        return 0
    rounds = 3 if given.quick else 7
    labels = tissue(90 if given.quick else 360)
    with tempfile.TemporaryDirectory() as folder:
        figures = speed(labels, rounds=rounds) + growth(labels, Path(folder), rounds=rounds)
    for figure in figures:
        mark = "ok" if figure.holds else "SHORT"
        print(f"{figure.name:<62}{figure.ratio:>8.2f} ± {figure.spread:<6.2f}{figure.bound:>8}  {mark}")
    _write(figures, labels, quick=given.quick)
    return 0 if all(figure.holds for figure in figures) else 1


def _write(figures: list[Figure], labels: np.ndarray, *, quick: bool) -> None:
    now = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    about = {
        "package": "mtneuro-probe",
        "time": now.isoformat(timespec="seconds"),
        "quick": quick,
        "cpu_count": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "percent": {str(value): round(100 * float((labels == value).mean()), 2) for value in (1, 2, 3)},
        "figures": [asdict(figure) | {"holds": figure.holds} for figure in figures],
    }
    path = RESULTS / f"probe-{now:%Y%m%dT%H%M%S}.json"
    path.write_text(json.dumps(about, indent=2) + "\n", "utf-8")
    print(f"written to {path.name} beside this script, in {RESULTS.name}/")


if __name__ == "__main__":
    sys.exit(main())
