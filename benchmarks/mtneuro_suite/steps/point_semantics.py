"""Read the semantic features off clouds of points, by an encoder or by the number of points alone."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step
from mtneuro_suite.steps.points import clouds_of
from mtneuro_suite.steps.reading import View
from mtneuro_suite.steps.semantics import feature_rows


class PointSemantics(Step):
    """Read role ``features`` off the clouds of role ``samples``, as role ``encoder`` embeds them.

    Without an encoder, off the number of points of each class.
    """

    kind: ClassVar = "point_semantics"

    model: str
    seed: int
    task: str
    """The task in which the encoder was trained."""

    training_set: str
    view: View

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Write ``embeddings.npz``; return R2 by feature."""
        from mtneuro_probe import Embeddings, save_embeddings
        from mtneuro_ssl import load_model

        clouds = clouds_of(roles["samples"][0], self.view)
        if "encoder" in roles:
            embeddings = load_model(roles["encoder"][0] / "model").embed(clouds.points)
        else:
            embeddings = clouds.counts().astype(np.float32)
        progress(1, 2)
        save_embeddings(out / "embeddings.npz", embeddings, sample_id=clouds.sample_id)
        key = self.model_dump(include={"model", "seed", "task", "training_set"})
        rows = feature_rows(
            Embeddings(embeddings, clouds.sample_id), roles, depth=1, key=key, region=clouds.region
        )
        progress(2, 2)
        return Outcome(rows, {"dimensions": int(embeddings.shape[1])})
