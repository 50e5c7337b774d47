"""Tell the regions of clouds of points apart, by a trained encoder or by the number of points alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jaxtyping import Int64

from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step
from mtneuro_suite.steps.over_cubes import CubeCounts
from mtneuro_suite.steps.points import clouds_of
from mtneuro_suite.steps.reading import View
from mtneuro_suite.steps.regions import accuracy_rows, confusion_of, tests_of

if TYPE_CHECKING:
    from mtneuro_probe import PointClouds
    from mtneuro_ssl import Model


class PointRegions(Step):
    """Score role ``encoder``, which learnt from role ``train``, on the clouds of each role ``test TASK``.

    Without an encoder, a logistic regression reads regions off the number of points of each class: fitted to
    the clouds of whole images for those, and to the clouds of corners for corners.
    """

    kind: ClassVar = "point_regions"

    supervised: ClassVar = True
    """That they classify whole images: see ``Regions``."""

    model: str
    seed: int
    training_set: str

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Return accuracies and confusion matrices."""
        tests = tests_of(roles)
        views: tuple[View, ...] = ("whole", "corners")
        readers: dict[View, PointClouds | Model]
        if "encoder" in roles:
            from mtneuro_ssl import load_model

            readers = dict.fromkeys(views, load_model(roles["encoder"][0] / "model"))
        else:
            readers = {view: clouds_of(roles["train"][0], view) for view in views}
        rows: list[Row] = []
        extra: dict[str, Any] = {}
        for done, (task, (folder,)) in enumerate(tests.items(), start=1):
            for view in views:
                test = clouds_of(folder, view)
                truth, names = _regions_of(test)
                predicted = self._predicted(test, readers[view])
                confusion = confusion_of(truth, predicted, len(names))
                rows += accuracy_rows(
                    confusion,
                    view,
                    cubes=CubeCounts.of(truth == predicted, test.sample_id),
                    task=task,
                    **self.model_dump(include={"model", "seed", "training_set"}),
                )
                extra |= {f"confusion {task} {view}": confusion.tolist(), "region_names": names}
            progress(done, len(tests))
        return Outcome(rows, extra)

    def _predicted(self, test: "PointClouds", read_by: "PointClouds | Model") -> Int64[np.ndarray, " n"]:
        """Return the regions that a model, or the counts of the clouds that are learnt from, tell."""
        from mtneuro_probe import PointClouds, region_readout

        if not isinstance(read_by, PointClouds):
            return read_by.predict(test.points).astype(np.int64)
        truth, names = _regions_of(test)
        return region_readout(
            read_by.counts(),
            _regions_of(read_by)[0],
            test.counts(),
            truth,
            class_names=names,
            seed=self.seed,
        ).predicted


def _regions_of(clouds: "PointClouds") -> tuple[Int64[np.ndarray, " n"], tuple[str, ...]]:
    if clouds.region is None or clouds.region_names is None:
        raise ValueError("regions are needed, and the clouds name none")
    return clouds.region, clouds.region_names
