"""Confidence intervals of the scores, by a bootstrap over blocks of neighbouring slices."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Integer

from mtneuro_seg.metrics import Scores, class_scores


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreIntervals:
    """The ends of an interval about every score."""

    low: Scores
    """Lower ends."""

    high: Scores
    """Upper ends."""

    level: float
    """Share of the resampled scores within the interval."""


def bootstrap_intervals(
    confusions: Int64[np.ndarray, "images classes classes"],
    *,
    block: int = 10,
    groups: Integer[np.ndarray, " images"] | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> ScoreIntervals:
    """Return percentile intervals of the pooled scores by a circular block bootstrap.

    Neighbouring slices show the same cells, so single slices are no independent samples: whole runs of slices
    are drawn instead (Politis and Romano, 1992). A run that reaches its group's end continues at its start,
    so that every slice is drawn as often as any other; none crosses into another group, and every group keeps
    its size.

    Parameters
    ----------
    confusions
        A confusion matrix for every image, in the order of the slices within each group.
    block
        Slices of a block: at least as many as an object is deep, and few compared with the slices of a group;
        a group of a single block cannot vary.
    groups
        A number for every image that says which stack of slices it is from, such as its region.
    resamples
        Number of resampled sets.
    level
        Share of the resampled scores within the interval.
    seed
        Seed of the draws.

    Raises
    ------
    ValueError
        If there are no images, or a number is out of its range.

    Notes
    -----
    The intervals say how the scores would vary over other slices of the same tissue. They say nothing about
    other animals, nor about another training of the same network; for that, train with several seeds.

    Examples
    --------
    >>> same = np.repeat(np.array([[[8, 2], [1, 9]]]), 30, axis=0)
    >>> found = bootstrap_intervals(same, resamples=10)
    >>> bool(found.low.mean_iou == found.high.mean_iou)
    True
    """
    if len(confusions) == 0:
        raise ValueError("there must be at least one image to draw from, got none")
    if block < 1 or resamples < 1:
        raise ValueError(f"block and resamples must be at least 1, got {block} and {resamples}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    stacks = np.zeros(len(confusions), np.int64) if groups is None else groups
    if len(stacks) != len(confusions):
        raise ValueError(f"groups must name all {len(confusions)} images, got {len(stacks)}")
    rng = np.random.default_rng(seed)
    pooled = np.zeros((resamples, *confusions.shape[1:]), np.int64)
    for stack in np.unique(stacks):
        members = np.flatnonzero(stacks == stack)
        drawn = members[_blocks(len(members), block, resamples, rng)]
        for resample in range(resamples):
            pooled[resample] += confusions[drawn[resample]].sum(axis=0)
    f1, iou = class_scores(pooled)
    ends = (0.5 - level / 2, 0.5 + level / 2)
    low, high = (
        Scores(
            f1=_quantile(f1, end),
            iou=_quantile(iou, end),
            mean_f1=float(_quantile(_row_means(f1)[:, None], end)[0]),
            mean_iou=float(_quantile(_row_means(iou)[:, None], end)[0]),
        )
        for end in ends
    )
    return ScoreIntervals(low=low, high=high, level=level)


def _blocks(
    length: int, block: int, resamples: int, rng: np.random.Generator
) -> Int64[np.ndarray, "resamples length"]:
    """Return ``resamples`` draws of ``length`` positions, made of runs of ``block`` neighbours."""
    run = min(block, length)
    starts = rng.integers(0, length, (resamples, -(-length // run)))
    runs = (starts[..., None] + np.arange(run)) % length
    return runs.reshape(resamples, -1)[:, :length]


def _row_means(values: Float64[np.ndarray, "rows columns"]) -> Float64[np.ndarray, " rows"]:
    """Return each row's mean over what is not nan."""
    present = ~np.isnan(values)
    count = present.sum(axis=1)
    total = np.where(present, values, 0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)


def _quantile(values: Float64[np.ndarray, "rows columns"], end: float) -> Float64[np.ndarray, " columns"]:
    """Return each column's quantile over what is not nan, nan where nothing is."""
    columns = [column[~np.isnan(column)] for column in values.T]
    return np.array([np.quantile(column, end) if len(column) else np.nan for column in columns])
