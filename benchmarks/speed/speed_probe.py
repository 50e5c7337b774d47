"""Measure how fast mtneuro-probe measures label images, and check its floors.

    python benchmarks/speed/speed_probe.py --quick

The five features of the paper beside the same definitions as most would write them (scikit-image's region
properties and scikit-learn's k-d tree, image by image), the original benchmark's definition likewise, time
and memory against the number of slices, a Zarr volume, and several processes. Every ratio is of two ways
that were first seen to give the same result, measured in turns. Exits with 1 if a floor is missed.
"""

import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import cc3d
import numpy as np
import zarr
from command import main
from measuring import Figure, compared, peak_bytes, ratio, seconds_in_turns
from mtneuro_probe import original_features, semantic_features
from skimage.measure import label, regionprops
from sklearn.neighbors import KDTree

SIDE = 256
SIZE_UM = 1.17
EDGES_UM = (SIZE_UM, SIZE_UM, SIZE_UM)
CELL_RADIUS = 5
# Of the paper's volume: vessel, cell and axon, in percent of the voxels.
PROPORTIONS = {1: 3.74, 2: 6.36, 3: 34.77}


@cache
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


def plain_features(labels: np.ndarray, size_um: float = SIZE_UM) -> np.ndarray:
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


def definitions(*, quick: bool) -> Iterator[Figure]:
    """Yield both definitions of the features beside their plain versions."""
    labels, rounds = tissue(90 if quick else 360), 7 if quick else 15
    np.testing.assert_allclose(
        semantic_features(labels, voxel_size_um=EDGES_UM).to_numpy(), plain_features(labels), rtol=1e-12
    )
    np.testing.assert_allclose(original_features(labels), plain_original(labels), rtol=1e-12)
    size = f"{SIDE} x {SIDE} pixels"
    # 9.2 on one processor and 12 on another: the plain version is Python, ours mostly not.
    yield compared(
        f"five features of {size}, plain / ours",
        lambda: plain_features(labels),
        lambda: semantic_features(labels, voxel_size_um=EDGES_UM),
        rounds=rounds,
        at_least=8,
    )
    yield compared(
        f"original definition of {size}, plain / ours",
        lambda: plain_original(labels),
        lambda: original_features(labels),
        rounds=rounds,
        at_least=5,
    )


def growth(*, quick: bool) -> Iterator[Figure]:
    """Yield time and memory against the slices, 1440 beside 360, in memory and streamed from Zarr."""
    labels = tissue(90 if quick else 360)
    labels = np.concatenate([labels] * (360 // len(labels)))
    large = np.concatenate([labels] * 4)
    with tempfile.TemporaryDirectory() as name:
        paths = {kind: Path(name) / kind for kind in ("large.npy", "small.zarr", "large.zarr")}
        np.save(paths["large.npy"], large)
        _store(labels, paths["small.zarr"])
        _store(large, paths["large.zarr"])
        whole = semantic_features(large)
        from_zarr = semantic_features(zarr.open_array(str(paths["large.zarr"]), mode="r"))
        assert whole.equals(from_zarr), "streamed from Zarr differs from in memory"
        assert whole.equals(semantic_features(large, workers=2)), "two processes differ from one"
        more, fewer = seconds_in_turns(
            lambda: semantic_features(large), lambda: semantic_features(labels), rounds=3 if quick else 7
        )
        yield ratio("time a slice, 1440 / 360 slices", [each / 4 for each in more], fewer, at_most=1.25)
        peaks = {kind: peak_bytes(features_of_file, path) for kind, path in paths.items()}
    size = large.nbytes
    yield Figure(name="peak memory of 1440 slices / the volume", value=peaks["large.npy"] / size, at_most=2)
    yield Figure(
        name="peak memory of 1440 slices streamed from Zarr / the volume",
        value=peaks["large.zarr"] / size,
        at_most=0.5,
    )
    yield Figure(
        name="peak memory for each further byte streamed from Zarr",
        value=(peaks["large.zarr"] - peaks["small.zarr"]) / (size - labels.nbytes),
        at_most=0.25,
    )


def _store(labels: np.ndarray, path: Path) -> None:
    stored = zarr.create_array(str(path), shape=labels.shape, dtype="u1", chunks=(16, SIDE, SIDE))
    stored[...] = labels


def features_of_file(name: str) -> Iterator[None]:
    """Measure a file of labels; one slice of it makes ready what is kept from the first call on."""
    path = Path(name)
    labels = np.load(path, mmap_mode="r") if path.suffix == ".npy" else zarr.open_array(name, mode="r")
    semantic_features(np.asarray(labels[:1]))
    del labels
    yield
    semantic_features(np.load(path) if path.suffix == ".npy" else zarr.open_array(name, mode="r"))


if __name__ == "__main__":
    sys.exit(main("probe", [definitions, growth], about=__doc__))
