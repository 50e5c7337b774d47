"""How fast the phantom computes voxels, against its floors.

    python benchmarks/speed/speed_phantom.py --quick

All three channels of a box on one core, beside the same box slice by slice (which must give the same
voxels) and beside filling it with Gaussian-filtered noise; and the memory that takes. Exits with 1 if a floor
is missed.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from mtneuro_data.phantom import PHANTOM_VERSION, Phantom
from scipy import ndimage

VOXELS_A_SECOND = 2e6
BYTES_A_VOXEL = 12.0
# Corners of set A's cubes, one a region.
CORNERS = {"CTX": (900, 4600), "STR": (500, 3700), "VP": (850, 3063), "ZI": (650, 1543)}


def _box(region: str, depth: int, side: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    y, x = CORNERS[region]
    return (150, y, x), (150 + depth, y + side, x + side)


def whole(region: str, depth: int, side: int) -> dict[str, np.ndarray]:
    """Return the three channels, read at once."""
    return Phantom("image").read_all(*_box(region, depth, side))


def slice_by_slice(region: str, depth: int, side: int) -> dict[str, np.ndarray]:
    """Return the same, read one slice and one channel at a time."""
    (z0, y0, x0), (z1, y1, x1) = _box(region, depth, side)
    return {
        channel: np.concatenate([Phantom(channel).read((z, y0, x0), (z + 1, y1, x1)) for z in range(z0, z1)])
        for channel in ("image", "roi_labels", "pixel_labels")
    }


def filtered_noise(depth: int, side: int) -> np.ndarray:
    """Return a box of Gaussian-filtered noise: what the cheapest stand-in for tissue costs."""
    noise = np.random.default_rng(0).normal(size=(depth, side, side)).astype(np.float32)
    return ndimage.gaussian_filter(noise, 1.4)


def timed(work: list[Callable[[], Any]], rounds: int) -> list[list[float]]:
    """Return the processor seconds of each piece of work, run in turns so that drifts hit all alike."""
    seconds: list[list[float]] = [[] for _ in work]
    for _ in range(rounds):
        for number, piece in enumerate(work):
            start = time.process_time()
            piece()
            seconds[number].append(time.process_time() - start)
    return seconds


def extra_bytes_a_voxel(depth: int, side: int) -> float:
    """Return the peak of memory over the three results, bytes a voxel, measured in a process of its own."""
    child = subprocess.run(
        [sys.executable, __file__, "--measure-memory", str(depth), str(side)],
        capture_output=True,
        check=True,
        text=True,
    )
    return float(child.stdout)


def _peak_bytes() -> int:
    """Return this process's highest resident set so far; getrusage's would be its parent's too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])
    raise OSError("memory is measured where /proc/self/status tells it, as on Linux")


def _measure_memory(depth: int, side: int) -> None:
    whole("ZI", 1, 32)  # what every read needs once: modules, the map of areas
    before = _peak_bytes()
    voxels = whole("ZI", depth, side)["image"].size
    grown = _peak_bytes() - before
    print(max(grown - 3 * voxels, 0) / voxels)


def main() -> int:
    """Print the table, write it beside the others, and return 1 if a floor is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, under a minute")
    parser.add_argument(
        "--measure-memory", nargs=2, type=int, metavar=("DEPTH", "SIDE"), help=argparse.SUPPRESS
    )
    args = parser.parse_args()
    if args.measure_memory:
        _measure_memory(*args.measure_memory)
        return 0
    os.environ.update(OMP_NUM_THREADS="1")
    depth, side, rounds = 64, 256, 1 if args.quick else 5
    voxels = depth * side * side

    small = {channel: box.copy() for channel, box in whole("VP", 6, 64).items()}
    for channel, box in slice_by_slice("VP", 6, 64).items():
        np.testing.assert_array_equal(box, small[channel])

    rows: dict[str, Any] = {}
    passed = True
    title = "64 x 256 x 256, three channels, one core"
    print(f"{title:<44}{'voxels/s':>12}{'spread':>9}{'x noise':>9}{'x slices':>9}")
    for region in CORNERS:
        once, sliced, noise = timed(
            [
                lambda region=region: whole(region, depth, side),
                lambda region=region: slice_by_slice(region, 2, side),
                lambda: filtered_noise(depth, side),
            ],
            rounds,
        )
        median = statistics.median(once)
        spread = (max(once) - min(once)) / median
        row = {
            "voxels_a_second": voxels / median,
            "spread": spread,
            "ratio_to_filtered_noise": median / statistics.median(noise),
            "ratio_to_slices": statistics.median(sliced) * depth / 2 / median,
        }
        rows[region] = row
        passed &= row["voxels_a_second"] >= VOXELS_A_SECOND
        print(
            f"{region:<44}{row['voxels_a_second']:12.3g}{spread:9.0%}"
            f"{row['ratio_to_filtered_noise']:9.2f}{row['ratio_to_slices']:9.2f}"
        )
    print(f"floor {VOXELS_A_SECOND:.3g} voxels/s; x noise: times the cost of filtered noise")
    print("x slices: gain over reading slices and channels one at a time")

    depths = (64,) if args.quick else (32, 64, 128)
    memory = {str(deep): extra_bytes_a_voxel(deep, side) for deep in depths}
    for deep, extra in memory.items():
        print(f"memory above the results, {deep} slices: {extra:.1f} bytes a voxel")
    print(f"at 64 slices at most {BYTES_A_VOXEL:.0f}")
    passed &= memory["64"] <= BYTES_A_VOXEL

    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = folder / f"speed_phantom-{now:%Y%m%dT%H%M%SZ}.json"
    record = {
        "when": now.isoformat(timespec="seconds"),
        "machine": platform.machine(),
        "numpy": np.__version__,
        "phantom_version": PHANTOM_VERSION,
        "speed": rows,
        "extra_bytes_a_voxel": memory,
        "passed": passed,
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"{'passed' if passed else 'FLOOR MISSED'}; {path.name}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
