"""Lay one encoder's embeddings out in the plane."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step


class Umap(Step):
    """Lay out the embeddings of role ``semantics``."""

    kind: ClassVar = "umap"

    model: str
    """The row whose embeddings they are."""

    neighbours: int
    seed: int

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Write ``points.npy``."""
        from mtneuro_probe import load_embeddings, umap_embedding

        loaded = load_embeddings(roles["semantics"][0] / "embeddings.npz")
        points = umap_embedding(loaded.embeddings, n_neighbors=self.neighbours, seed=self.seed)
        np.save(out / "points.npy", points)
        return Outcome()
