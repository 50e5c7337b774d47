"""Score how much of each feature a linear model reads out of embeddings."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float64, Int64, Integer, Shaped

from mtneuro_probe.readout.blocks import block_splits
from mtneuro_probe.readout.ceiling import label_ceiling
from mtneuro_probe.readout.linear import LinearReadout, cross_validated_predictions, least_slices
from mtneuro_probe.readout.principal import principal_components
from mtneuro_probe.readout.scores import null_of, r2, r2_contributions, r2_interval, within_groups
from mtneuro_probe.readout.targets import checked_rows, constant_target, feature_targets
from mtneuro_probe.readout.uncertainty import Runs, shifted_orders, shuffled_orders
from mtneuro_probe.sample import lone_samples, sample_positions

SAMPLES_PER_FEATURE = 5
"""With fewer samples an embedding dimension, same-sample R² is near 1 for noise and is not given."""

MOST_COMPONENTS = 256
"""Components at most to which wider embeddings are projected: the dimensions of the paper's encoders."""

_log = logging.getLogger(__name__)


def feature_readout(
    embeddings: Float[np.ndarray, "samples features"],
    features: pd.DataFrame,
    *,
    groups: Shaped[np.ndarray, " samples"] | None = None,
    n_splits: int = 5,
    gap: int = 10,
    n_bootstrap: int = 1000,
    n_permutations: int = 0,
    within_cubes: bool = True,
    run_length: int | None = None,
    floors: Mapping[str, np.ndarray] | None = None,
    second_annotation: pd.DataFrame | None = None,
    regions: Integer[np.ndarray, " samples"] | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return how well each feature is read out of embeddings by a linear model, and how sure that is.

    Two scores. ``r2_same_sample`` is the paper's: ordinary least squares, fitted and scored on the same
    samples; it rises with the number of embedding dimensions whatever they hold. Of embeddings with more
    dimensions than a fifth of the samples it is not given, and ``r2_same_sample_projected`` is the same score
    of their principal components: of standardised embeddings, found in all samples without their features,
    as many as a fifth of the samples that have the feature, ``MOST_COMPONENTS`` at most.
    ``r2_cross_validated`` is
    the score on slices that were not fitted: ridge regression, its strength chosen inside, over
    contiguous blocks of slices with a gap (``block_splits``); all held-out predictions are
    scored together, so 0 is no better than the mean and below 0 is worse.

    Parameters
    ----------
    embeddings
        One vector a sample.
    features
        A row a sample in the same order, a column a feature, indexed by sample id. See ``matched``. The
        angle ``axon_orientation`` is read out as the cosine and sine of its double.
    groups
        For ids that name no slice: the block of each sample, by default each sample by itself, of which the
        log warns. Whole groups are then held out in turn, ``n_splits`` at most, and ``gap`` is not used.
    n_splits
        Number of contiguous blocks that each cube is cut into.
    gap
        Slices between training and test samples of one cube, and between one turn of a permutation and
        the next.
    n_bootstrap
        Draws for the interval of the cross-validated score; 0 for none.
    n_permutations
        Permutations for its null distribution, at most as many as there are; 0 for none. Values are turned
        along the slices, so that neighbours stay neighbours (``shifted_orders``); those of groups change
        places.
    within_cubes
        Permute inside each cube only: is the feature known beyond the cube's own mean? Without it, an
        embedding that knows nothing but the cube is told from chance too.
    run_length
        Slices that the bootstrap draws together. By default as many as the autocorrelation of the score's
        contributions asks for (``block_length``): as many as are alike.
    floors
        Embeddings of the same samples that anything should beat, by name. See ``floor_embeddings``.
    second_annotation
        The same features by a second annotator: how alike the two are is the highest score that any
        embedding can be expected to reach. See ``label_ceiling``.
    regions
        Region of each sample: the same fits are scored within regions too, feature and prediction less their
        means there. 0 is no better than any other number for all samples of a region, and what tells
        the region alone has 0.
    seed
        Seed of the draws.
    progress
        Called with the number of features done and of all features.

    Returns
    -------
    table
        A row a feature: ``n_samples`` used, ``n_missing`` left out because the feature is missing there,
        ``n_features`` of the embedding, ``r2_same_sample``, ``r2_same_sample_projected`` and its
        ``n_components`` where that is not given, ``r2_cross_validated``, its 95 % interval ``r2_low`` to
        ``r2_high``, ``r2_null`` that 1 in 20 permutations exceeds and the ``p_value``, both of
        ``n_permutations``, which are fewer than asked for where there are no more, ``run_length`` and
        ``n_runs`` of the bootstrap, ``interval_reason`` for why there is no interval, as below 12 runs,
        ``r2_ceiling``, ``r2_<name>`` of each floor (cross-validated), and ``reason``, which says why a
        score is NaN and is empty otherwise. With regions also ``r2_same_sample_within`` and
        ``r2_cross_validated_within`` with its interval ``r2_within_low`` to ``r2_within_high``.

    Raises
    ------
    ValueError
        If the embeddings are not finite, rows do not fit each other, an id cannot be read, or the
        slices are too few for the splits.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 3))
    >>> ids = [f"A/z{z}" for z in range(60)]
    >>> table = pd.DataFrame({"cell_count": x[:, 0] + 2, "cell_size": 4.0}, index=ids)
    >>> feature_readout(x, table, gap=2)[["n_samples", "r2_cross_validated", "reason"]].round(3)
                n_samples  r2_cross_validated                           reason
    feature
    cell_count         60                 1.0
    cell_size          60                 NaN  the feature is constant
    """
    if run_length is not None and run_length < 1:
        raise ValueError(f"run_length must be at least 1 slice, got {run_length}")
    if n_bootstrap < 0 or n_permutations < 0:
        raise ValueError(
            f"n_bootstrap and n_permutations must be at least 0, got {n_bootstrap} and {n_permutations}"
        )
    known = {name: checked_rows(x, features, name=name) for name, x in (floors or {}).items()}
    place = _Place.of(features, groups, n_splits=n_splits, gap=gap)
    x = checked_rows(embeddings, features)
    columns = feature_targets(features)
    ceiling = None if second_annotation is None else label_ceiling(features, second_annotation)
    if regions is not None and regions.shape != (len(features),):
        raise ValueError(f"regions must be one a sample ({len(features)}), got shape {regions.shape}")
    projected = _Projected(x)
    rows: list[dict[str, object]] = []
    for done, (name, target) in enumerate(columns.items(), start=1):
        there = np.asarray(np.isfinite(target).all(axis=1))
        row: dict[str, object] = {
            "feature": name,
            "n_samples": int(there.sum()),
            "n_missing": int((~there).sum()),
            "n_features": x.shape[1],
        }
        # Each feature draws the same numbers whatever else is in the table.
        draws = _Draws(n_bootstrap, n_permutations, within_cubes, run_length, (seed, *name.encode()))
        group = None if regions is None else regions[there]
        row |= projected.score(target, there)
        row |= _scores(x[there], target[there], place.where(there), draws, group)
        row["r2_ceiling"] = np.nan if ceiling is None else ceiling["r2_ceiling"].get(name, np.nan)
        for floor, vectors in known.items():
            scored = _scores(vectors[there], target[there], place.where(there), _Draws(0, 0))
            row[f"r2_{floor}"] = scored["r2_cross_validated"]
        row["reason"] = row.pop("reason")
        rows.append(row)
        if progress is not None:
            progress(done, len(columns))
    return pd.DataFrame(rows).set_index("feature").astype({"n_components": "Int64"})


def feature_predictions(
    embeddings: Float[np.ndarray, "samples features"],
    features: pd.DataFrame,
    *,
    groups: Shaped[np.ndarray, " samples"] | None = None,
    n_splits: int = 5,
    gap: int = 10,
) -> pd.DataFrame:
    """Return each feature as a readout predicts it that was not fitted near the sample.

    The predictions that ``r2_cross_validated`` of ``feature_readout`` scores, in the features' own units.

    Parameters
    ----------
    embeddings, features, groups, n_splits, gap
        As in ``feature_readout``. Angles cannot be predicted by a line and are left out.

    Returns
    -------
    predictions
        A row a sample, a column a feature, NaN where the feature is missing or cannot be read out.
    """
    place = _Place.of(features, groups, n_splits=n_splits, gap=gap)
    x = checked_rows(embeddings, features)
    table: dict[str, np.ndarray] = {}
    for name, target in feature_targets(features).items():
        if target.shape[1] > 1:
            continue
        there = np.isfinite(target[:, 0])
        table[name] = np.full(len(x), np.nan)
        if not constant_target(target[there]):
            try:
                table[name][there] = place.where(there).predictions(x[there], target[there])[:, 0]
            except ValueError as error:
                _log.info("no predictions of %s: %s", name, error)
    return pd.DataFrame(table, index=features.index)


@dataclass(frozen=True, slots=True)
class _Draws:
    """Number of draws, what is permuted, and the seed."""

    n_bootstrap: int
    n_permutations: int
    within_cubes: bool = True
    run_length: int | None = None
    seed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """Cube and slice of each sample, and how samples are held out."""

    cube: np.ndarray
    z: Int64[np.ndarray, " samples"]
    n_splits: int
    gap: int
    grouped: bool = False
    """Whether slices are groups, which are no neighbours."""

    @property
    def slices(self) -> int:
        """Number of different slices."""
        return len(set(zip(self.cube.tolist(), self.z.tolist(), strict=True)))

    @classmethod
    def of(cls, features: pd.DataFrame, groups: np.ndarray | None, *, n_splits: int, gap: int) -> "_Place":
        """Return the place of each row; groups stand in as the slices of one cube."""
        if groups is None and not pd.api.types.is_numeric_dtype(features.index):
            groups = lone_samples(features.index.astype(str).to_numpy())
        if groups is None:
            positions = sample_positions([str(name) for name in features.index])
            place = cls(positions.cube, positions.z, n_splits, gap)
        elif groups.shape == (len(features),):
            z = np.unique(groups, return_inverse=True)[1].astype(np.int64)
            place = cls(np.zeros(len(groups), dtype="U1"), z, n_splits, 0, grouped=True)
        else:
            raise ValueError(
                f"groups must have one entry a sample ({len(features)}), got shape {groups.shape}"
            )
        block_splits(place.cube, place.z, n_splits=n_splits, gap=place.gap)
        return place

    def where(self, kept: np.ndarray) -> "_Place":
        """Return the place of some of the samples."""
        return _Place(self.cube[kept], self.z[kept], self.n_splits, self.gap, self.grouped)

    def orders(self, draws: _Draws, rng: np.random.Generator) -> Int64[np.ndarray, "draws samples"]:
        """Return the orders of a null distribution."""
        if self.grouped:
            return shuffled_orders(self.z, n_draws=draws.n_permutations, rng=rng)
        return shifted_orders(
            self.cube,
            self.z,
            n_draws=draws.n_permutations,
            rng=rng,
            apart=max(1, self.gap),
            within_cubes=draws.within_cubes,
        )

    def runs(
        self,
        y: Float64[np.ndarray, "tested t"],
        predicted: Float64[np.ndarray, "tested t"],
        tested: Bool[np.ndarray, " samples"],
        draws: _Draws,
    ) -> Runs:
        """Return the runs of tested samples that a bootstrap of their R² draws."""
        return Runs.of(
            r2_contributions(y, predicted),
            self.cube[tested],
            self.z[tested],
            length=1 if self.grouped else draws.run_length,
        )

    def predictions(
        self, x: Float64[np.ndarray, "n d"], targets: Float64[np.ndarray, "n t"]
    ) -> Float64[np.ndarray, "n t"]:
        """Return held-out predictions."""
        return cross_validated_predictions(
            x, targets, cube=self.cube, z=self.z, n_splits=self.n_splits, gap=self.gap
        )


@dataclass(frozen=True, eq=False)
class _Projected:
    """The principal components of embeddings, found when the first feature needs them."""

    x: Float64[np.ndarray, "n d"]

    @cached_property
    def components(self) -> Float64[np.ndarray, "n c"]:
        """As many as any feature is read off."""
        return principal_components(self.x, most=self._most(len(self.x)))

    @staticmethod
    def _most(n_samples: int) -> int:
        return min(MOST_COMPONENTS, n_samples // SAMPLES_PER_FEATURE)

    def score(self, target: Float64[np.ndarray, "n t"], there: Bool[np.ndarray, " n"]) -> dict[str, object]:
        """Return the same-sample score of the components, where that of all dimensions is not given."""
        y = target[there]
        n_samples, n_features = len(y), self.x.shape[1]
        scores: dict[str, object] = {"r2_same_sample_projected": np.nan, "n_components": pd.NA}
        if n_samples >= SAMPLES_PER_FEATURE * n_features or constant_target(y):
            return scores
        x = self.components[there, : self._most(n_samples)]
        if not x.shape[1]:
            return scores
        return {"r2_same_sample_projected": r2(y, _least_squares(x, y)), "n_components": x.shape[1]}


def _least_squares(
    x: Float64[np.ndarray, "n d"], y: Float64[np.ndarray, "n t"]
) -> Float64[np.ndarray, "n t"]:
    """Return what ordinary least squares predict for the samples that they are fitted to."""
    return LinearReadout(alphas=(0.0,)).fit(x, y).predict(x)


_SCORES = ("r2_same_sample", "r2_cross_validated", "r2_low", "r2_high", "r2_null", "p_value")
_WITHIN = ("r2_same_sample_within", "r2_cross_validated_within", "r2_within_low", "r2_within_high")


def _scores(
    x: Float64[np.ndarray, "n d"],
    y: Float64[np.ndarray, "n t"],
    place: _Place,
    draws: _Draws,
    group: Integer[np.ndarray, " n"] | None = None,
) -> dict[str, object]:
    names = _SCORES if group is None else (*_SCORES, *_WITHIN)
    scores: dict[str, Any] = dict.fromkeys(names, np.nan)
    scores |= {"n_permutations": 0, "run_length": 0, "n_runs": 0, "interval_reason": ""}
    if not len(y):
        return {**scores, "reason": "the feature is missing in every sample"}
    if constant_target(y):
        return {**scores, "reason": "the feature is constant"}
    reasons: list[str] = []
    if len(y) < SAMPLES_PER_FEATURE * x.shape[1]:
        reasons.append(
            f"same-sample: fewer than {SAMPLES_PER_FEATURE} samples a feature, near 1 even for noise"
        )
    else:
        predicted = _least_squares(x, y)
        scores["r2_same_sample"] = r2(y, predicted)
        if group is not None:
            scores["r2_same_sample_within"] = r2(within_groups(y, group), within_groups(predicted, group))
    try:
        scores |= _held_out_scores(x, y, place, draws, group)
        if np.isnan(scores["r2_cross_validated"]):
            reasons.append("cross-validated: the feature is constant in the samples that are tested")
    except ValueError as error:
        _log.info("no cross-validated score: %s", error)
        reasons.append(
            f"cross-validated: {place.n_splits} blocks with a gap of {place.gap} need "
            f"{least_slices(place.n_splits, place.gap)} neighbouring slices of a cube where the feature is "
            f"there, got {place.slices} slices; lower the gap (--gap) or the blocks (--n-splits)"
        )
    return {**scores, "reason": "; ".join(reasons)}


def _held_out_scores(
    x: Float64[np.ndarray, "n d"],
    y: Float64[np.ndarray, "n t"],
    place: _Place,
    draws: _Draws,
    group: Integer[np.ndarray, " n"] | None,
) -> dict[str, object]:
    # The interval does not depend on whether there is a null beside it.
    for_null, for_interval, for_within = np.random.default_rng(draws.seed).spawn(3)
    orders = place.orders(draws, for_null)
    # All permutations are targets of one fit.
    targets = np.concatenate([y, *(y[order] for order in orders)], axis=1)
    predicted = place.predictions(x, targets)
    tested = np.isfinite(predicted[:, 0])
    columns = y.shape[1]
    kept, told = targets[tested], predicted[tested]
    score = r2(kept[:, :columns], told[:, :columns])
    scores: dict[str, object] = {"r2_cross_validated": score}
    if np.isnan(score):
        return scores
    own, told_own = kept[:, :columns], told[:, :columns]
    if draws.n_bootstrap:
        runs = place.runs(own, told_own, tested, draws)
        scores |= {"run_length": runs.length, "n_runs": runs.number, "interval_reason": runs.reason}
        scores["r2_low"], scores["r2_high"] = r2_interval(
            own, told_own, runs, n_draws=draws.n_bootstrap, rng=for_interval
        )
    if group is not None:
        inner, told_inner = (within_groups(values, group[tested]) for values in (own, told_own))
        scores["r2_cross_validated_within"] = within = r2(inner, told_inner)
        if draws.n_bootstrap and not np.isnan(within):
            runs = place.runs(inner, told_inner, tested, draws)
            # Draws of its own, so that the interval of the whole stays as it is without regions.
            scores["r2_within_low"], scores["r2_within_high"] = r2_interval(
                inner, told_inner, runs, n_draws=draws.n_bootstrap, rng=for_within
            )
    if draws.n_permutations:
        scores["n_permutations"] = len(orders)
        permuted = np.array(
            [
                r2(kept[:, at : at + columns], told[:, at : at + columns])
                for at in range(columns, kept.shape[1], columns)
            ]
        )
        scores["r2_null"], scores["p_value"] = null_of(score, permuted)
    return scores
