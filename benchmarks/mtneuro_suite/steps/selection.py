"""Choose among the networks of a search by their validation slices, and score the chosen one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.step import Outcome, Progress, Roles
from mtneuro_suite.steps.reading import result
from mtneuro_suite.steps.segmentation_scores import ScoredNetwork, scored


class Selection(ScoredNetwork):
    """Score the one of role ``candidates`` that has the highest mean IoU on role ``test``."""

    kind: ClassVar = "selection"

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Return the chosen network's scores, and its learning rate and batch size."""
        from mtneuro_seg import load_model

        results = [result(folder) for folder in roles["candidates"]]
        scores = [_mean_iou(one["rows"]) for one in results]
        best = int(np.argmax(scores))
        chosen = results[best]["settings"]
        model = load_model(roles["candidates"][best] / "model", trusted=(chosen["train"]["model"],))
        found = {one["settings"]["model"]: score for one, score in zip(results, scores, strict=True)}
        outcome = scored(model, self, roles, out, extra={"chosen": chosen["model"], "validation": found})
        for metric in ("learning_rate", "batch_size"):
            outcome.rows.append(Row(**self.key, metric=metric, value=chosen["train"][metric], n=len(results)))
        return outcome


def _mean_iou(rows: Sequence[Mapping[str, Any]]) -> float:
    (row,) = [row for row in rows if row["metric"] == "iou" and row["class_name"] == "average"]
    return float(row["value"])
