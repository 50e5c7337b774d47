"""Tell the regions of clouds of points apart, by a trained encoder or by the number of points alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jaxtyping import Int64

from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step
from mtneuro_suite.steps.points import clouds_of
from mtneuro_suite.steps.reading import View
from mtneuro_suite.steps.regions import TEST, accuracy_rows, confusion_of

if TYPE_CHECKING:
    from mtneuro_probe import PointClouds


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
        tests = {name.removeprefix(TEST): folders for name, folders in roles.items() if name.startswith(TEST)}
        rows: list[Row] = []
        extra: dict[str, Any] = {}
        for done, (task, (folder,)) in enumerate(tests.items(), start=1):
            views: tuple[View, ...] = ("whole", "corners")
            for view in views:
                test = clouds_of(folder, view)
                confusion = self._confusion(roles, test, view)
                rows += accuracy_rows(
                    confusion, view, task=task, **self.model_dump(include={"model", "seed", "training_set"})
                )
                extra |= {f"confusion {task} {view}": confusion.tolist(), "region_names": test.region_names}
            progress(done, len(tests))
        return Outcome(rows, extra)

    def _confusion(self, roles: Roles, test: "PointClouds", view: View) -> Int64[np.ndarray, "c c"]:
        if test.region is None or test.region_names is None:
            raise ValueError("regions are needed, and the clouds name none")
        if "encoder" in roles:
            from mtneuro_ssl import load_model

            model = load_model(roles["encoder"][0] / "model")
            return confusion_of(test.region, model.predict(test.points), len(test.region_names))
        from mtneuro_probe import region_readout

        train = clouds_of(roles["train"][0], view)
        if train.region is None:
            raise ValueError("regions are needed, and the clouds name none")
        return region_readout(
            train.counts(),
            train.region,
            test.counts(),
            test.region,
            class_names=test.region_names,
            seed=self.seed,
        ).confusion
