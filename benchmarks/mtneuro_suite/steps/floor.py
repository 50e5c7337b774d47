"""What any encoder should beat: a few numbers of each image, or its region, in place of an embedding."""

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step
from mtneuro_suite.steps.reading import joined_arrays

Statistic = Literal["region", "mean-sd", "histogram", "spectrum"]


class Floor(Step):
    """Stand in an encoder's place with one statistic of the images; nothing is learnt of role ``train``.

    But for the limits of the histogram, where intensities are not uint8.
    """

    kind: ClassVar = "floor"

    statistic: Statistic

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Return the limits of the intensities."""
        images = joined_arrays(roles["train"]).images
        limits = (0.0, 256.0)
        if images.dtype != np.uint8:
            low, high = float(images.min()), float(images.max())
            limits = (low, high if high > low else low + 1)
        return Outcome(extra={"limits": list(limits)})
