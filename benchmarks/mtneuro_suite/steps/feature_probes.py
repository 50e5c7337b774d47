"""Read the semantic features off embeddings by a further probe than the paper's: nearest neighbours."""

from pathlib import Path
from typing import ClassVar

from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step
from mtneuro_suite.steps.semantics import matched_features, r2_rows, readout_gap


class FeatureProbes(Step):
    """Read the features of role ``features`` off the embeddings that role ``semantics`` wrote, by neighbours.

    Blocks of slices are held out as for the ridge regression of that run.
    """

    kind: ClassVar = "feature_probes"

    model: str
    seed: int
    task: str
    """The task in which the encoder was trained."""

    training_set: str
    depth: int
    """Slices of a sample."""

    neighbours: int
    """Nearest samples among other slices, by cosine, whose mean a feature is predicted to be."""

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Return R2 by feature."""
        from mtneuro_probe import load_embeddings, neighbour_readout

        loaded = load_embeddings(roles["semantics"][0] / "embeddings.npz")
        readout = neighbour_readout(
            loaded.embeddings,
            matched_features(loaded, roles),
            n_neighbors=self.neighbours,
            gap=readout_gap(self.depth),
        )
        progress(1, 1)
        key = self.model_dump(include={"model", "seed", "task", "training_set"})
        return Outcome(r2_rows(readout, {"r2_cross_validated_knn": "r2_cross_validated"}, key=key))
