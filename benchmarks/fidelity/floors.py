"""Tell regions apart without learning: what level, texture and scale alone give away, real and phantom."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from cubes import CORNERS, REGIONS, SETS, Crops
from mtneuro_data import builtin_task
from mtneuro_data.phantom import Phantom
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

DOWNSAMPLE = 4
PROTOCOLS = ("roi-c1", "roi-c2", "roi-c3")
Z_STEP = 12

Features = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A mean over cubes, with its 95 % bootstrap interval over them."""

    mean: float
    low: float
    high: float

    @classmethod
    def over(cls, cubes: np.ndarray) -> "Accuracy":
        """Return the mean of one number a cube."""
        draws = np.random.default_rng(0).integers(len(cubes), size=(5000, len(cubes)))
        low, high = np.percentile(cubes[draws].mean(axis=1), (2.5, 97.5))
        return cls(float(cubes.mean()), float(low), float(high))

    def __str__(self) -> str:
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"

    def holds(self, other: "Accuracy") -> bool:
        """Return whether the other's mean lies in this interval."""
        return self.low <= other.mean <= self.high


# --- features


def corners(crop: np.ndarray, factor: int) -> np.ndarray:
    """Return the four corners of a crop at a coarser resolution, each of half its height and width."""
    height, width = (size // factor for size in crop.shape)
    coarse = np.rint(crop.reshape(height, factor, width, factor).mean(axis=(1, 3))).astype(np.uint8)
    tall, wide = height // 2, width // 2
    return np.stack([coarse[y : y + tall, x : x + wide] for y in (0, tall) for x in (0, wide)])


def histogram(tiles: np.ndarray) -> np.ndarray:
    """Return the share of each tile's pixels in 32 equal bins of grey level."""
    return np.stack([np.bincount(tile.ravel() // 8, minlength=32) / tile.size for tile in tiles])


def spectrum(tiles: np.ndarray) -> np.ndarray:
    """Return the logarithm of each tile's power about its mean, over rings one frequency step wide."""
    size = tiles.shape[1]
    window = np.outer(np.hanning(size), np.hanning(size))
    away = tiles - tiles.mean(axis=(1, 2), keepdims=True)
    power = np.abs(np.fft.fft2(away * window)) ** 2 / (window * window).sum()
    steps = np.fft.fftfreq(size, 1 / size)
    ring = np.hypot(steps[:, None], steps).astype(int)
    return np.stack(
        [np.log10(1 + power[:, ring == step].mean(axis=1)) for step in range(1, size // 2)], axis=1
    )


def spectrum_shape(tiles: np.ndarray) -> np.ndarray:
    """Return the same with the mean over frequencies taken off: its shape, whatever the contrast."""
    power = spectrum(tiles)
    return power - power.mean(axis=1, keepdims=True)


def mean_and_sd(tiles: np.ndarray) -> np.ndarray:
    """Return each tile's mean grey level and standard deviation."""
    return np.stack([tiles.mean(axis=(1, 2)), tiles.std(axis=(1, 2))], axis=1)


def pixels(tiles: np.ndarray) -> np.ndarray:
    """Return each tile's pixels, of which `region_accuracies` takes the first principal components."""
    return tiles.reshape(len(tiles), -1).astype(np.float64)


@cache
def _encoder():
    from mtneuro_ssl import TrainSettings, untrained

    return untrained(TrainSettings())


def untrained_encoder(tiles: np.ndarray) -> np.ndarray:
    """Return the embedding of each tile by the suite's encoder with random weights."""
    return _encoder().embed(tiles).astype(np.float64)


FLOORS: dict[str, Features] = {
    "32-bin histogram": histogram,
    "power spectrum": spectrum,
    "its shape only": spectrum_shape,
    "mean and sd": mean_and_sd,
    "untrained encoder": untrained_encoder,
    "PCA of pixels": pixels,
}


# --- accuracies


def _classifier(features: Features, train: np.ndarray, labels: np.ndarray):
    """Return a logistic readout of standardised features, of PCA's first components for pixels."""
    steps = [StandardScaler()]
    if features is pixels:
        steps += [PCA(min(24, len(train) - 1), random_state=0)]
    return make_pipeline(*steps, LogisticRegression(max_iter=3000)).fit(train, labels)


def across_sets(crops: Crops, features: Features, factor: int) -> np.ndarray:
    """Return each cube's accuracy, the mean over classifiers fitted on each of the three other sets.

    There are four tiles a cube, its corners, at a coarser resolution: all that one slice offers.
    """
    seen = {cube: features(corners(crop, factor)) for cube, crop in crops.items()}
    score = {cube: [] for cube in crops}
    for fitted in SETS:
        train = np.concatenate([seen[region, fitted] for region in REGIONS])
        model = _classifier(features, train, np.repeat(np.arange(len(REGIONS)), 4))
        for (region, name), tiles in seen.items():
            if name != fitted:
                score[region, name].append((model.predict(tiles) == REGIONS.index(region)).mean())
    return np.array([np.mean(one) for one in score.values()])


@cache
def _corners_at(seed: int, cube: str, z: int) -> np.ndarray:
    name, region = cube.split("-")
    y, x = CORNERS[region][SETS.index(name)]
    plane = Phantom("image", seed=seed).read((z, y, x), (z + 1, y + 256, x + 256))[0]
    return corners(plane, DOWNSAMPLE)


def _tiles(task: str, split: str, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the cubes of a task's split, and the phantom's tiles there every few slices."""
    for part in builtin_task(task).splits[split]:
        first, last = part.z
        slices = range(-(-first // Z_STEP) * Z_STEP, last, Z_STEP)
        for cube in part.cubes:
            yield cube, np.concatenate([_corners_at(seed, cube, z) for z in slices])


def protocol(task: str, features: Features, seed: int) -> Accuracy:
    """Return a floor's accuracy on one of the paper's three splits of the phantom, over its test cubes."""
    train = list(_tiles(task, "train", seed))
    labels = np.concatenate([np.full(len(tiles), REGIONS.index(cube[2:])) for cube, tiles in train])
    model = _classifier(features, features(np.concatenate([tiles for _, tiles in train])), labels)
    return Accuracy.over(
        np.array(
            [
                (model.predict(features(tiles)) == REGIONS.index(cube[2:])).mean()
                for cube, tiles in _tiles(task, "test", seed)
            ]
        )
    )
