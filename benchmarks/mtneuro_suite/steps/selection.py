"""Choose among the networks of a search by their validation slices."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.step import Outcome, Progress, Roles
from mtneuro_suite.steps.reading import result
from mtneuro_suite.steps.segmentation_scores import ScoredNetwork


class Selection(ScoredNetwork):
    """Choose the one of role ``candidates`` that has the highest mean IoU."""

    kind: ClassVar = "selection"

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Return the chosen network's learning rate and batch size, and all its settings."""
        results = [result(folder) for folder in roles["candidates"]]
        scores = [_mean_iou(one["rows"]) for one in results]
        best = results[int(np.argmax(scores))]["settings"]
        found = {one["settings"]["model"]: score for one, score in zip(results, scores, strict=True)}
        rows = [
            Row(**self.key, metric=metric, value=best["train"][metric], n=len(results))
            for metric in ("learning_rate", "batch_size")
        ]
        return Outcome(rows, {"chosen": best["model"], "settings": best["train"], "validation": found})


def _mean_iou(rows: Sequence[Mapping[str, Any]]) -> float:
    (row,) = [row for row in rows if row["metric"] == "iou" and row["class_name"] == "average"]
    return float(row["value"])
