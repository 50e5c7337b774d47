"""Read the semantic features off embeddings when only a part of the samples has labels."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step
from mtneuro_suite.steps.semantics import matched_features


def labelled(name: str, fraction: float, count: int | None = None) -> str:
    """Return a name in a result's key with the part of the labels that was asked for, and how many those are.

    Examples
    --------
    >>> labelled("roi-c1", 0.1), labelled("roi-c1:train+val", 0.1, 120)
    ('roi-c1, 10 % of labels', 'roi-c1:train+val, 10 % of labels, n = 120')
    """
    return f"{name}, {100 * fraction:g} % of labels" + ("" if count is None else f", n = {count}")


class FewLabels(Step):
    """Read the features of role ``features`` off embeddings of role ``semantics``, by parts of the labels."""

    kind: ClassVar = "few_labels"

    model: str
    """The row whose embeddings they are."""

    seed: int
    task: str
    """The task in which the encoder was trained."""

    training_set: str
    fractions: tuple[float, ...]
    gap: int
    """Slices between what is learnt from and what is tested."""

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Return the cross-validated R2 by feature and part of the labels."""
        from mtneuro_probe import label_curve, load_embeddings

        loaded = load_embeddings(roles["semantics"][0] / "embeddings.npz")
        features = matched_features(loaded, roles)
        curve = label_curve(loaded.embeddings, features, self.fractions, gap=self.gap)
        rows: list[Row] = []
        for line in curve.to_dict("records"):
            value, fraction = float(line["r2"]), float(line["fraction"])
            rows.append(
                Row(
                    task=labelled(self.task, fraction),
                    training_set=labelled(self.training_set, fraction, int(line["n_labelled"])),
                    test_set="semantics:all",
                    model=self.model,
                    seed=self.seed,
                    metric="r2_cross_validated",
                    class_name=str(line["feature"]),
                    value=None if np.isnan(value) else value,
                    n=int(line["n_samples"]),
                    note=str(line["reason"]),
                )
            )
        return Outcome(rows, {"labelled": curve["n_labelled"].tolist()})
