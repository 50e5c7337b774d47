"""Confidence intervals of the scores, by a bootstrap over blocks of neighbouring slices."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Integer

from mtneuro_seg._shared.sample_ids import parsed_ids
from mtneuro_seg.metrics import Scores, accuracies, class_scores


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
    sample_id: Sequence[str] | np.ndarray | None = None,
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
        A confusion matrix for every image. Without ids they are taken in the order of their slices, within
        each group.
    block
        Slices of a block: at least as many as an object is deep, and few compared with the slices of a group;
        a group of a single block cannot vary.
    groups
        A number for every image that says which stack of slices it is from, such as its region.
    sample_id
        Instead of groups: the id of every image, ``<cube>/z<z>``, in any order. Each cube is a group, in the
        order of z; corners of one slice are drawn together. Images whose ids have another form have no
        known neighbours, and are drawn one by one.
    resamples
        Number of resampled sets.
    level
        Share of the resampled scores within the interval.
    seed
        Seed of the draws.

    Raises
    ------
    ValueError
        If there are no images, groups and ids are both given, or a number is out of its range.

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
    rng = np.random.default_rng(seed)
    pooled = np.zeros((resamples, *confusions.shape[1:]), np.int64)
    for stack in stacks_of(len(confusions), groups=groups, sample_id=sample_id):
        slices = np.stack([confusions[rows].sum(axis=0) for rows in stack.slices])
        drawn = _blocks(len(slices), block if stack.neighbours else 1, resamples, rng)
        for resample in range(resamples):
            pooled[resample] += slices[drawn[resample]].sum(axis=0)
    f1, iou = class_scores(pooled)
    accuracy, balanced = accuracies(pooled)
    ends = (0.5 - level / 2, 0.5 + level / 2)
    low, high = (
        Scores(
            f1=_quantile(f1, end),
            iou=_quantile(iou, end),
            mean_f1=float(_quantile(_row_means(f1)[:, None], end)[0]),
            mean_iou=float(_quantile(_row_means(iou)[:, None], end)[0]),
            accuracy=float(_quantile(accuracy[:, None], end)[0]),
            balanced_accuracy=float(_quantile(balanced[:, None], end)[0]),
        )
        for end in ends
    )
    return ScoreIntervals(low=low, high=high, level=level)


@dataclass(frozen=True, slots=True)
class Stack:
    """The slices of one cube or region, or images of which nothing is known."""

    slices: list[Int64[np.ndarray, " rows"]]
    """The images of each slice, in the order of z."""

    neighbours: bool = True
    """Whether each slice lies beside the next."""


def stacks_of(
    count: int,
    *,
    groups: Integer[np.ndarray, " images"] | None = None,
    sample_id: Sequence[str] | np.ndarray | None = None,
) -> list[Stack]:
    """Return the stacks that blocks of slices are drawn from; the parameters are `bootstrap_intervals`'s.

    Examples
    --------
    >>> [len(stack.slices) for stack in stacks_of(3, sample_id=["A/z0/tl", "A/z0/tr", "B/z0"])]
    [1, 1]
    """
    if sample_id is None:
        stacks = np.zeros(count, np.int64) if groups is None else groups
        if len(stacks) != count:
            raise ValueError(f"groups must name all {count} images, got {len(stacks)}")
        return [Stack(list(np.flatnonzero(stacks == one)[:, None])) for one in np.unique(stacks)]
    if groups is not None:
        raise ValueError("either groups or sample_id must say which images are neighbours, got both")
    if len(sample_id) != count:
        raise ValueError(f"sample_id must name all {count} images, got {len(sample_id)}")
    ids = parsed_ids(sample_id)
    cubes, first = np.unique(ids.cube[ids.placed], return_index=True)
    found: list[Stack] = []
    for cube in cubes[np.argsort(first)]:
        rows = np.flatnonzero(ids.placed & (ids.cube == cube))
        by_z = rows[np.argsort(ids.z[rows], kind="stable")]
        found.append(Stack(np.split(by_z, np.flatnonzero(np.diff(ids.z[by_z])) + 1)))
    alone = np.flatnonzero(~ids.placed)
    return [*found, *([Stack(list(alone[:, None]), neighbours=False)] if len(alone) else [])]


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
