"""Measure the semantic features of every sample's labels."""

from pathlib import Path
from typing import ClassVar

from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step
from mtneuro_suite.steps.reading import View, samples


class Features(Step):
    """Measure the arrays of role ``samples``."""

    kind: ClassVar = "features"

    view: View
    label_values: dict[str, int]
    """Label of each class in the masks."""

    features: tuple[str, ...] | None = None
    """What is measured of them; by default the paper's five."""

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Write ``features.csv``."""
        from mtneuro_probe import (
            ALL_FEATURES,
            FEATURES,
            LABEL_VALUES,
            label_features,
            semantic_features,
        )

        found = samples(roles["samples"], self.view)
        if found.masks is None:
            raise ValueError("semantic features need pixel labels, and the task names no annotation")
        features = FEATURES if self.features is None else self.features
        # A class of the paper's that was not annotated has features too, which are missing.
        of_paper = {*self.label_values} <= {*LABEL_VALUES} and {*features} <= {*ALL_FEATURES}
        table = (semantic_features if of_paper else label_features)(
            found.masks,
            sample_id=found.sample_id,
            voxel_size_um=found.voxel_size_um,
            label_values=self.label_values,
            features=features,
            progress=progress,
        )
        table.to_csv(out / "features.csv")
        return Outcome(extra={"samples": len(table), "mean": table.mean().to_dict()})
