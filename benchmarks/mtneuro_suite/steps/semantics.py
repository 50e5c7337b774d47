"""Embed the labelled images with one encoder and read the semantic features off the embeddings."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jaxtyping import Int64

from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step
from mtneuro_suite.steps.embedder import Samples, embedder
from mtneuro_suite.steps.held_out import held_out_rows
from mtneuro_suite.steps.over_cubes import places
from mtneuro_suite.steps.reading import Resampling, View, depth_of

if TYPE_CHECKING:
    from mtneuro_probe import Embeddings
    from pandas import DataFrame

PROJECTED = "r2_same_sample_projected"
"""Metric of the score on the same samples of principal components, where embeddings are too wide."""

LEARNT = "learnt"
"""Role of the samples that a readout is fitted to, where it is not cross-validated."""

_TEST_SET = "semantics:all"

_GAP = 10
"""Slices by which a cross-validation's test slices lie apart from those that are learnt from."""


def readout_gap(depth: int) -> int:
    """Return the smallest distance in z between the first slices of samples that are learnt from and tested.

    Examples
    --------
    >>> readout_gap(1), readout_gap(8)
    (10, 17)
    """
    return _GAP + depth - 1


_PERMUTATIONS = 200
"""Of each feature, to see what is read off by chance."""

_ENDS = {
    "r2_cross_validated": ("r2_low", "r2_high"),
    "r2_cross_validated_within": ("r2_within_low", "r2_within_high"),
}
"""Columns of a readout that hold the ends of a score's interval."""

NULL = "r2_null"
"""Metric of the cross-validated score that 1 in 20 permutations of a feature within its cubes exceeds."""

RUNS = "r2_runs"
"""Metric that is no score: runs of slices that the interval of the cross-validated score draws from."""


def feature_rows(
    embeddings: "Embeddings",
    roles: Roles,
    *,
    depth: int,
    key: Mapping[str, Any],
    region: Int64[np.ndarray, " n"] | None = None,
) -> list[Row]:
    """Return how well the features of role ``features`` are read off embeddings.

    Of embeddings too wide for the paper's score there are further rows, of their principal components.

    Parameters
    ----------
    embeddings
        One vector a sample.
    roles
        Those of the step.
    depth
        Slices of a sample.
    key
        The part of the rows' key that they share.
    region
        Region of each sample. Where there are several, the scores within them are told too.
    """
    from mtneuro_probe import feature_readout

    several = region is not None and len(np.unique(region)) > 1
    readout = feature_readout(
        embeddings.embeddings,
        matched_features(embeddings, roles),
        gap=readout_gap(depth),
        n_permutations=_PERMUTATIONS,
        within_cubes=True,
        regions=region if several else None,
    )
    names = ["r2_same_sample", "r2_cross_validated", NULL]
    if several:
        names += ["r2_same_sample_within", "r2_cross_validated_within"]
    metrics = {**dict(zip(names, names, strict=True)), RUNS: "n_runs"}
    return [*r2_rows(readout, metrics, key=key), *_projected(readout, key)]


def _projected(readout: "DataFrame", key: Mapping[str, Any]) -> list[Row]:
    """Return the scores of principal components: of features whose embeddings are too wide for their own."""
    wide = readout.dropna(subset=["r2_same_sample_projected"])
    return [
        Row(
            **key,
            test_set=_TEST_SET,
            metric=PROJECTED,
            class_name=str(feature),
            value=float(values["r2_same_sample_projected"]),
            n=int(values["n_samples"]),
            note=f"{values['n_components']} components of {values['n_features']} dimensions",
        )
        for feature, values in wide.to_dict("index").items()
    ]


def matched_features(embeddings: "Embeddings", roles: Roles, *, role: str = "features") -> "DataFrame":
    """Return the table of a role, a row for each embedding in their order."""
    import pandas as pd
    from mtneuro_probe import matched

    table = pd.read_csv(roles[role][0] / "features.csv", index_col="sample_id")
    return matched(embeddings, table)


def r2_rows(readout: "DataFrame", metrics: Mapping[str, str], *, key: Mapping[str, Any]) -> list[Row]:
    """Return the scores of a readout; one that is not there has the reason as its note.

    Parameters
    ----------
    readout
        A row a feature, with ``n_samples`` and ``reason``.
    metrics
        Names of the rows' metrics, each with its column of the readout.
    key
        The part of the rows' key that they share.
    """
    rows: list[Row] = []
    for feature, values in readout.to_dict("index").items():
        for metric, column in metrics.items():
            value = float(values[column])
            ends = [float(values[end]) for end in _ENDS.get(column, ()) if end in values]
            low, high = ends if ends and np.isfinite(ends).all() else (None, None)
            rows.append(
                Row(
                    **key,
                    test_set=_TEST_SET,
                    metric=metric,
                    class_name=str(feature),
                    value=None if np.isnan(value) else value,
                    n=int(values["n_samples"]),
                    note=str(values["reason"]) if np.isnan(value) else "",
                    low=low,
                    high=high,
                )
            )
    return rows


class Semantics(Step):
    """Read the features of role ``features`` off the embeddings of role ``samples`` by role ``encoder``.

    With roles ``learnt`` and ``learnt features`` the readout is fitted to those samples; without, it is
    cross-validated.
    """

    kind: ClassVar = "semantics"

    model: str
    seed: int
    task: str
    """The task in which the encoder was trained."""

    training_set: str
    view: View
    downsample: int
    """Reduction of the images before they are embedded."""

    resampling: Resampling = "area"

    normalised: bool = True
    """Whether images are normalised as in the encoder's training; the original's code leaves that out."""

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Write ``embeddings.npz`` and ``region.npy``; return R2 by feature."""
        from mtneuro_probe import Embeddings, save_embeddings

        wanted = Samples(
            folders=roles["samples"],
            view=self.view,
            downsample=self.downsample,
            resampling=self.resampling,
        )
        embeddings = embedder(roles["encoder"][0], normalised=self.normalised).embed(wanted)
        found = wanted.arrays
        progress(1, 2)
        save_embeddings(out / "embeddings.npz", embeddings, sample_id=found.sample_id)
        np.save(out / "region.npy", found.region)
        scored = Embeddings(embeddings, found.sample_id)
        key = self.model_dump(include={"model", "seed", "task", "training_set"})
        if LEARNT in roles:
            rows = self._of_columns(scored, roles, key)
        else:
            rows = feature_rows(scored, roles, depth=depth_of(found.images), key=key, region=found.region)
        progress(2, 2)
        dimensions = int(embeddings.shape[1])
        return Outcome(rows, {"dimensions": dimensions, "region_names": list(found.region_names)})

    def _of_columns(self, scored: "Embeddings", roles: Roles, key: Mapping[str, Any]) -> list[Row]:
        """Return the scores of a readout that is fitted to role ``learnt``, and those on the same samples."""
        from mtneuro_probe import Embeddings, feature_readout

        wanted = Samples(
            folders=roles[LEARNT], view=self.view, downsample=self.downsample, resampling=self.resampling
        )
        learnt = Embeddings(
            embedder(roles["encoder"][0], normalised=self.normalised).embed(wanted), wanted.arrays.sample_id
        )
        truth = matched_features(scored, roles)
        known = matched_features(learnt, roles, role="learnt features")
        readout = feature_readout(scored.embeddings, truth, groups=places(scored.sample_id), n_bootstrap=0)
        return [
            *r2_rows(readout, {"r2_same_sample": "r2_same_sample"}, key=key),
            *_projected(readout, key),
            *held_out_rows((learnt, known), (scored, truth), test_set=_TEST_SET, key=key),
        ]
