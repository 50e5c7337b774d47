"""Annotate exact labels again, as a person would who errs."""

from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_PIXELS = 256
"""What shifts and smoothness are at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotator:
    """How a simulated annotator errs.

    Two annotations of the benchmark's cubes differ so: the diameter of a cell is 7.6, 8.8 and 10.2 µm by the
    human labels of set A, and 9.1, 9.9 and 11.5 µm by the dense annotation's sizes, which the phantom has
    (`benchmarks/records/fidelity`): half a pixel at each side, on average. The human labels also have a
    quarter to a third fewer cells.

    Parameters
    ----------
    shift
        Standard deviation, in pixels, by which outlines are shifted; 0.6 is a mean of half a pixel.
    smooth
        Pixels over which a shift persists along an outline.
    missed
        Chance of a small object to be missed.
    small
        Most pixels of a small object.
    """

    shift: float = 0.6
    smooth: float = 6.0
    missed: float = 0.25
    small: int = 24

    def __post_init__(self) -> None:
        for name in ("shift", "smooth"):
            if not 0 <= getattr(self, name) < MOST_PIXELS:
                raise ValueError(
                    f"--{name} must be pixels from 0 to {MOST_PIXELS}, got {getattr(self, name)}"
                )
        if not 0 <= self.missed <= 1:
            raise ValueError(f"--missed must be a chance from 0 to 1, got {self.missed}")

    def labels(self, truth: np.ndarray, *, seed: int) -> np.ndarray:
        """Return a volume ``(z, y, x)`` of labels as the annotator draws them, slice by slice."""
        return np.stack(
            [self._slice(plane, np.random.default_rng([seed, z])) for z, plane in enumerate(truth)]
        )

    def _slice(self, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        from scipy.ndimage import map_coordinates

        seen = self._with_missed(truth, rng)
        if self.shift == 0:
            return seen
        places = np.indices(truth.shape, dtype=np.float64)
        moved = [place + self.shift * self._field(truth.shape, rng) for place in places]
        return map_coordinates(seen, moved, order=0, mode="nearest").astype(truth.dtype)

    def _field(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return a smooth Gaussian field of mean 0 and standard deviation 1."""
        from scipy.ndimage import gaussian_filter

        noise = rng.normal(size=shape)
        if self.smooth == 0:
            return noise
        # The sum of squares of the filter's weights, as of a Gaussian without an end.
        return gaussian_filter(noise, self.smooth, mode="wrap") * (2 * np.pi**0.5 * self.smooth)

    def _with_missed(self, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return labels without the small objects that are missed."""
        from scipy.ndimage import label

        seen = truth.copy()
        for number in np.unique(truth[truth > 0]):
            found: Any = label(truth == number, structure=np.ones((3, 3)))
            objects, count = found
            sizes = np.bincount(objects.ravel(), minlength=count + 1)
            lost = (sizes <= self.small) & (rng.random(count + 1) < self.missed)
            lost[0] = False
            seen[lost[objects]] = 0
        return seen
