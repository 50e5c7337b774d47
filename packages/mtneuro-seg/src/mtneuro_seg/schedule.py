"""Choose the images of each training step, from the seed and the number of the step alone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from mtneuro_seg.settings import TrainSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The batches of a whole training, any of which can be asked for again.

    Examples
    --------
    >>> schedule = Schedule.of(5, TrainSettings(batch_size=2, epochs=3))
    >>> schedule.steps_per_epoch, schedule.steps
    (2, 6)
    >>> bool(np.array_equal(schedule.batch(4), schedule.batch(4)))
    True
    """

    images: int
    """Number of images."""

    batch_size: int
    """Images a step."""

    steps_per_epoch: int
    """Steps in which every image is seen once, except those of a last batch that is dropped."""

    steps: int
    """Steps of the whole training."""

    seed: int
    """Seed of the order."""

    @classmethod
    def of(cls, images: int, settings: TrainSettings) -> "Schedule":
        """Return the schedule for a number of images."""
        return cls(
            images=images,
            batch_size=settings.batch_size,
            steps_per_epoch=settings.epoch_steps(images),
            steps=settings.total_steps(images),
            seed=settings.seed,
        )

    @property
    def smallest_batch(self) -> int:
        """Number of images in the smallest batch."""
        return len(self._positions(self.steps_per_epoch - 1))

    def batch(self, step: int) -> Int64[np.ndarray, " batch"]:
        """Return the indices of the images that a step sees."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(self.images)
        return order[self._positions(position)]

    def _positions(self, position: int) -> Int64[np.ndarray, " batch"]:
        start = position * self.batch_size
        return np.arange(start, min(start + self.batch_size, self.images))
