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
    """Label of each structure in the masks."""

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Write ``features.csv``."""
        from mtneuro_probe import semantic_features

        found = samples(roles["samples"], self.view)
        if found.masks is None:
            raise ValueError("semantic features need pixel labels, and the task names no annotation")
        table = semantic_features(
            found.masks,
            sample_id=found.sample_id,
            voxel_size_um=found.voxel_size_um,
            label_values=self.label_values,
            progress=progress,
        )
        table.to_csv(out / "features.csv")
        return Outcome(extra={"samples": len(table), "mean": table.mean().to_dict()})
