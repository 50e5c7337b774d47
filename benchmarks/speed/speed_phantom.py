"""How fast the phantom computes voxels, against its floors.

    python benchmarks/speed/speed_phantom.py --quick

All three channels of a box on one core, beside the same box slice by slice (which must give the same
voxels) and beside filling it with Gaussian-filtered noise; and the memory that takes. Exits with 1 if a floor
is missed.
"""

import sys
from collections.abc import Iterator

import numpy as np
from command import main
from measuring import Figure, peak_bytes, ratio, seconds_in_turns
from mtneuro_data.phantom import Phantom
from scipy import ndimage

DEPTH, SIDE = 64, 256
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


def voxels(*, quick: bool) -> Iterator[Figure]:
    """Yield voxels a second of 64 x 256 x 256, all channels, on one core, and what they cost beside noise."""
    small = {channel: box.copy() for channel, box in whole("VP", 6, 64).items()}
    for channel, box in slice_by_slice("VP", 6, 64).items():
        np.testing.assert_array_equal(box, small[channel])
    for region in CORNERS:
        once, sliced, noise = seconds_in_turns(
            lambda region=region: whole(region, DEPTH, SIDE),
            lambda region=region: slice_by_slice(region, 2, SIDE),
            lambda: filtered_noise(DEPTH, SIDE),
            rounds=1 if quick else 5,
        )
        yield Figure.of(
            f"{region}: three channels",
            [DEPTH * SIDE**2 / each for each in once],
            unit="voxels/s",
            at_least=2e6,
        )
        yield ratio(f"{region}: three channels / filtered noise", once, noise)
        yield ratio(f"{region}: by slice and channel / at once", [each * DEPTH / 2 for each in sliced], once)


def memory(*, quick: bool) -> Iterator[Figure]:
    """Yield the peak of memory above the three results against the depth of the box."""
    for depth in (64,) if quick else (32, 64, 128):
        size = depth * SIDE**2
        yield Figure(
            name=f"memory above the results, {depth} x {SIDE} x {SIDE}",
            value=max(peak_bytes(all_channels, depth) - 3 * size, 0) / size,
            unit="bytes/voxel",
            at_most=12,
        )


def all_channels(depth: int) -> Iterator[None]:
    """Read a box; a first small one takes what every read needs once: modules, the map of areas."""
    whole("ZI", 1, 32)
    yield
    whole("ZI", depth, SIDE)


if __name__ == "__main__":
    sys.exit(main("phantom", [voxels, memory], about=__doc__, package="mtneuro_data"))
