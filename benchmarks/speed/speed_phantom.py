"""Measure how fast the phantom computes voxels, and check its floors.

    python benchmarks/speed/speed_phantom.py --quick

All three channels of a box on one core, beside the same box slice by slice and channel by channel (which
must give the same voxels) and beside filling it with Gaussian-filtered noise; single slices and the few
slices of a 3D network; the memory above the results, and how it grows; and the whole data of the `demo`
preset on two cores. Exits with 1 if a floor is missed.
"""

import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from command import main
from measuring import Figure, peak_bytes, ratio, seconds_in_turns
from mtneuro_data import TaskSpec, load
from mtneuro_data.phantom import CHANNELS, Phantom
from scipy import ndimage

# Corners (y, x) of set A's cubes, one a region.
CORNERS = {"CTX": (900, 4600), "STR": (500, 3700), "VP": (850, 3063), "ZI": (650, 1543)}
SIDE = 256
DEPTH = 64

Corner = tuple[int, int, int]


def box(region: str, depth: int, side: int = SIDE) -> tuple[Corner, Corner]:
    """Return the corners of a box in a region."""
    y, x = CORNERS[region]
    return (150, y, x), (150 + depth, y + side, x + side)


def whole(region: str, depth: int, side: int = SIDE) -> dict[str, np.ndarray]:
    """Return the three channels, read at once."""
    return Phantom("image").read_all(*box(region, depth, side))


def slice_by_slice(region: str, depth: int, side: int = SIDE) -> dict[str, np.ndarray]:
    """Return the same, read one slice and one channel at a time."""
    (z0, y0, x0), (z1, y1, x1) = box(region, depth, side)
    return {
        channel: np.concatenate([Phantom(channel).read((z, y0, x0), (z + 1, y1, x1)) for z in range(z0, z1)])
        for channel in CHANNELS
    }


def filtered_noise(depth: int) -> np.ndarray:
    """Return a box of Gaussian-filtered noise: what the cheapest stand-in for tissue costs."""
    noise = np.random.default_rng(0).normal(size=(depth, SIDE, SIDE)).astype(np.float32)
    return ndimage.gaussian_filter(noise, 1.4)


def voxels(*, quick: bool) -> Iterator[Figure]:
    """Yield how fast the three channels of 64 x 256 x 256 voxels are computed in each region."""
    for channel, expected in slice_by_slice("VP", 6, 64).items():
        np.testing.assert_array_equal(whole("VP", 6, 64)[channel], expected)
    few = 4  # slices for the slow way, which costs the same for each
    million = DEPTH * SIDE * SIDE / 1e6
    for region in CORNERS:
        once, sliced, noise = seconds_in_turns(
            partial(whole, region, DEPTH),
            partial(slice_by_slice, region, few),
            partial(filtered_noise, DEPTH),
            rounds=1 if quick else 3,
        )
        title = f"three channels of {DEPTH} x {SIDE} x {SIDE} in {region}"
        yield Figure.of(title, [million / each for each in once], at_least=2, unit="M voxels/s")
        yield ratio(f"{title}, time / Gaussian-filtered noise", once, noise)
        yield ratio(f"{title}, slice by slice / ours", [each * DEPTH / few for each in sliced], once)


def thin(*, quick: bool) -> Iterator[Figure]:
    """Yield the time of single slices and of eight, as a task that skips slices reads them."""
    for depth in (1, 8):
        work = [partial(whole, region, depth) for region in CORNERS]
        taken = seconds_in_turns(*work, rounds=3 if quick else 9)
        milliseconds = [1000 * sum(each) / len(work) for each in zip(*taken, strict=True)]
        yield Figure.of(f"three channels of {depth} x {SIDE} x {SIDE}, mean region", milliseconds, unit="ms")


def memory(*, quick: bool) -> Iterator[Figure]:
    """Yield the memory above the three results, and how much more a box of twice the size takes."""
    del quick
    depths = (16, DEPTH, 2 * DEPTH)
    taken = {depth: peak_bytes(peak_of_box, depth) for depth in depths}
    size = SIDE * SIDE
    for depth in depths:
        yield Figure(
            name=f"memory above the results of {depth} x {SIDE} x {SIDE}",
            value=taken[depth] / (depth * size) - len(CHANNELS),
            at_most=12 if depth == DEPTH else None,
            unit="bytes a voxel",
        )
    further = (taken[2 * DEPTH] - taken[DEPTH]) / (DEPTH * size)
    yield Figure(
        name=f"memory for each voxel beyond {DEPTH} slices, results and all",
        value=further,
        at_most=len(CHANNELS) + 1,
        unit="bytes",
    )


def peak_of_box(depth: int) -> Iterator[None]:
    """Read a box; a small one first makes ready what every read needs once."""
    whole("ZI", 1, 32)
    yield
    whole("ZI", depth)


def demo(*, quick: bool) -> Iterator[Figure]:
    """Yield how long two processes take for a slice of the data of the demo preset, waiting included.

    However far a slice is reduced, 256 x 256 voxels are drawn for it. Version 7 of the phantom draws one and
    a half times what version 6 did.
    """
    del quick
    tasks = demo_tasks()
    start = time.perf_counter()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        slices = sum(pool.map(slices_of, tasks))
    taken = time.perf_counter() - start
    yield Figure(name="demo's data, two processes, from start to end", value=taken, unit="s")
    yield Figure(
        name="demo's data, two processes, time a slice", value=1000 * taken / slices, at_most=65, unit="ms"
    )


def demo_tasks() -> list[TaskSpec]:
    """Return what the demo loads, the most voxels first."""
    from mtneuro_suite.plan.plan import plan_of
    from mtneuro_suite.preset.model import read_preset
    from mtneuro_suite.steps import Arrays

    runs = sorted(plan_of(read_preset("demo")).runs, key=lambda run: -run.cost)
    return [run.step.task for run in runs if isinstance(run.step, Arrays)]


def slices_of(task: TaskSpec) -> int:
    """Load a task's images and labels, and return how many slices they are."""
    return len(load(task, "all")) * task.depth


if __name__ == "__main__":
    sys.exit(main("phantom", [voxels, thin, memory, demo], about=__doc__, package="mtneuro_data"))
