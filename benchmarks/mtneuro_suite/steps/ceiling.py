"""Say how well two annotators' features would agree, where there is one annotation alone."""

from dataclasses import replace
from itertools import combinations
from math import isnan
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

import numpy as np
from mtneuro_data import TaskArrays

from mtneuro_suite._shared.sample_ids import slice_stacks
from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step
from mtneuro_suite.steps.annotator import Annotator
from mtneuro_suite.steps.features import Features
from mtneuro_suite.steps.reading import labelled_arrays

CEILING = "r2_ceiling"
"""Metric of what the disagreement of two simulated annotators allows."""

_PIXEL_UM = 1.17
"""Size of a pixel in which the annotator's errors are known, those of the benchmark's volume."""

_FINEST = 0.1
"""Part of that size below which a person sees other things and errs by other lengths, which are not known."""

_DRAWS = 4
"""Annotations, of whose pairs the mean is told."""


class Ceiling(Step):
    """Annotate the arrays of role ``samples`` several times, with a person's errors, and measure each.

    The labels that are there are taken as the truth, from which every annotator is off by the errors by which
    two annotations of the benchmark's cubes differ (see ``Annotator``), as large in micrometres as there. How
    well their features agree is the highest score that is to be expected (``label_ceiling``). Of pixels that
    are far finer, as an electron microscope's, there is none.
    """

    kind: ClassVar = "ceiling"

    model: ClassVar = "annotator"

    features: Features
    """How the annotations are measured."""

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Return the ceiling of each feature."""
        import pandas as pd
        from mtneuro_probe import FEATURES, label_ceiling

        data, masks = labelled_arrays(roles["samples"])
        if data.voxel_size_um is not None and data.voxel_size_um[-1] < _FINEST * _PIXEL_UM:
            why = f"annotators' errors are known of pixels of about {_PIXEL_UM:g} um"
            return Outcome([self._row(name, None, 0, why) for name in self.features.features or FEATURES])
        annotator = _in_pixels(data)
        measured: list[pd.DataFrame] = []
        for draw in range(_DRAWS):
            drawn = np.empty_like(masks)
            for number, stack in enumerate(slice_stacks(data.sample_id)):
                truth = masks[stack]
                slices = truth.reshape(-1, *truth.shape[-2:])  # of subvolumes those of each
                drawn[stack] = annotator.labels(slices, seed=draw * 1_000_003 + number).reshape(truth.shape)
            folder = out / f"annotation-{draw}"
            folder.mkdir(exist_ok=True)
            replace(data, masks=drawn).save(folder / "arrays.npz")
            self.features.run({"samples": [folder]}, folder, _unheard)
            (folder / "arrays.npz").unlink()
            measured.append(pd.read_csv(folder / "features.csv", index_col="sample_id"))
            progress(draw + 1, _DRAWS)
        pairs = [label_ceiling(first, second) for first, second in combinations(measured, 2)]
        scores: list[dict[Any, Any]] = [pair["r2_ceiling"].to_dict() for pair in pairs]
        numbers: dict[Any, Any] = pairs[0]["n_samples"].to_dict()
        means = {name: fmean(one[name] for one in scores) for name in numbers}
        return Outcome(
            [
                self._row(str(name), None, int(numbers[name]), "no sample has the feature")
                if isnan(mean)
                else self._row(str(name), float(mean), int(numbers[name]), "simulated annotators")
                for name, mean in means.items()
            ]
        )

    def _row(self, feature: str, value: float | None, n: int, note: str) -> Row:
        """Return the mean of the pairs' ceilings, or why there is none."""
        return Row(
            task="semantics",
            training_set="",
            test_set="semantics:all",
            model=self.model,
            seed=1,
            metric=CEILING,
            class_name=feature,
            value=value,
            n=n,
            note=note,
        )


def _unheard(done: int, total: int) -> None:
    """Take no notice of progress."""


def _in_pixels(data: TaskArrays) -> Annotator:
    """Return the annotator whose errors are as large in these images as in those where they are known."""
    usual = Annotator()
    if data.voxel_size_um is None:
        return usual
    scale = _PIXEL_UM / data.voxel_size_um[-1]
    return replace(
        usual, shift=usual.shift * scale, smooth=usual.smooth * scale, small=round(usual.small * scale**2)
    )
