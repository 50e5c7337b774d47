"""Estimate scores, and how two differ, with intervals over the tissue and the training together.

A score varies with the tissue (cubes, or whole animals) and with the training (seeds). The same seeds are
scored on the same cubes, so that the two are crossed, and an interval over one of them alone says too
little.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import fmean, variance

import numpy as np
from jaxtyping import Float64

from mtneuro_suite.report.statistics import interval_text, share_text, summary
from mtneuro_suite.runs.row import Row

FEWEST = 3
"""Cubes, or animals, that an interval needs."""

AVERAGE = "average"
"""Class of a score that is the mean of all classes'."""

Scores = Mapping[tuple[str, str, int], float]
"""What each cube of an animal adds to a score, by animal, cube and seed; the score is their mean."""

_Term = tuple[float, float]
"""A part of a mean's squared error, and its degrees of freedom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean, or a difference of two, with its 95 % interval where the tissue shows how it varies."""

    mean: float
    ends: tuple[float, float] | None
    p: float | None
    """Chance of a mean as far from 0 if it were 0, by Student's t; None where there is no interval."""

    animals: int
    cubes: int
    """0 where the score is not known by cube."""

    seeds: int

    @property
    def resolved(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.ends is not None and not self.ends[0] <= 0 <= self.ends[1]

    @property
    def share(self) -> tuple[float, float] | None:
        """The interval, within 0 and 1 where the score is known by cube: it is a share then."""
        if self.ends is None or not self.cubes:
            return self.ends
        return max(0.0, self.ends[0]), min(1.0, self.ends[1])

    @property
    def text(self) -> str:
        """The mean, and its interval where there is one."""
        return share_text(self.mean) + (f" {interval_text(self.share)}" if self.share else "")

    @property
    def over(self) -> str:
        """What the interval is over."""
        seeds = f" and {self.seeds} seeds" if self.seeds > 1 else ""
        return f"{self.animals} animals" if self.animals >= FEWEST else f"{self.cubes} cubes{seeds}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two scores, and the first less the second."""

    first: float
    second: float
    difference: Estimate

    def __str__(self) -> str:
        apart = self.difference
        ends = f" {interval_text(apart.ends)}" if apart.ends else ""
        means = f"{share_text(self.first)} against {share_text(self.second)}"
        return f"{means}, difference {share_text(apart.mean)}{ends} over {apart.over}"


def cube_scores(rows: Iterable[Row]) -> dict[tuple[str, str, int], float]:
    """Return what each cube adds to a score, from the rows of single cubes.

    A score is a ratio of sums over cubes R = Σ pᵢ / Σ wᵢ, of which a row holds pᵢ / wᵢ and ``n`` = wᵢ. Cube
    i of C adds R + C (pᵢ - R wᵢ) / Σ w, whose mean over cubes is R, and whose spread is that of the ratio:
    W. G. Cochran (1977), Sampling Techniques, 3rd ed., Wiley, section 6.4. Where cubes weigh alike it is the
    cube's own score.

    Parameters
    ----------
    rows
        Rows of one model and metric; others than of single cubes are passed over. Of several classes, or of
        several tasks with the same cube, the mean is taken.

    Examples
    --------
    >>> key = {"task": "t", "training_set": "t", "test_set": "t", "model": "m", "seed": 1, "metric": "f1"}
    >>> rows = [Row(**key, value=v, n=n, cube=cube) for v, n, cube in ((0.5, 10, "A"), (0.8, 30, "B"))]
    >>> {cube: round(value, 4) for (_, cube, _), value in cube_scores(rows).items()}
    {'A': 0.6125, 'B': 0.8375}
    """
    ratios: dict[tuple[str, int, str, str], dict[str, tuple[float, int]]] = {}
    cubes: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.cube and row.value is not None:
            ratio = ratios.setdefault((row.animal, row.seed, row.task, row.class_name), {})
            ratio[row.cube] = (row.value, row.n)
            cubes.setdefault(row.task, {})[row.cube] = None
    added: dict[tuple[str, str, int], list[float]] = {}
    for (animal, seed, task, _), parts in ratios.items():
        whole = sum(n for _, n in parts.values())
        ratio = sum(value * n for value, n in parts.values()) / whole
        for cube in cubes[task]:
            value, n = parts.get(cube, (0.0, 0))
            adds = ratio + len(cubes[task]) * n * (value - ratio) / whole
            added.setdefault((animal, cube, seed), []).append(adds)
    return {key: fmean(values) for key, values in added.items()}


def estimate(scores: Scores) -> Estimate | None:
    """Return the mean of a score over cubes and seeds, or None where there is no score.

    Of at least three animals the interval is Student's over the animals' means. Else cubes and seeds are
    crossed: with A the mean square between C cubes and B that between S seeds, the squared error of the mean
    is taken as (A + B) / CS, with F. E. Satterthwaite's degrees of freedom (1946, An approximate
    distribution of estimates of variance components, Biometrics Bulletin 2, 110-114). The residual's mean
    square, which an unbiased estimate would subtract, is left in: so the interval cannot collapse with few
    seeds, and is a little wide where cubes and seeds differ little. Resampling both (A. B. Owen, 2007, The
    pigeonhole bootstrap, Annals of Applied Statistics 1, 386-411) covers too little with 3 seeds.

    Returns
    -------
    estimate
        Without an interval where there are fewer than three cubes, or nothing varies.

    Examples
    --------
    >>> found = estimate({("", cube, 1): value for cube, value in zip("ABC", (0.6, 0.7, 0.8))})
    >>> round(found.mean, 2), interval_text(found.ends), found.cubes
    (0.7, '[.45, .95]', 3)
    """
    if not scores:
        return None
    animals = _by_animal(scores)
    if len(animals) >= FEWEST:
        means = [fmean(values) for values in animals.values()]
        return _with_error(fmean(means), [(variance(means) / len(means), len(means) - 1)], scores)
    matrix = _matrix(scores)
    if matrix is None:
        return _with_error(fmean(scores.values()), [], scores)
    cubes = _of_cubes(matrix)
    seeds = _of_seeds(matrix.mean(axis=0)) if cubes else []
    return _with_error(float(matrix.mean()), [*cubes, *seeds], scores)


def paired_difference(first: Scores, second: Scores) -> Estimate | None:
    """Return the first less the second over the cubes and seeds of both, or None where they share none.

    Examples
    --------
    >>> first = {("", "A", 1): 0.9, ("", "B", 1): 0.8, ("", "C", 1): 0.7}
    >>> second = {("", "A", 1): 0.7, ("", "B", 1): 0.7, ("", "C", 1): 0.4}
    >>> found = paired_difference(first, second)
    >>> round(found.mean, 2), interval_text(found.ends), found.over
    (0.2, '[-.05, .45]', '3 cubes')
    """
    return estimate({key: value - second[key] for key, value in first.items() if key in second})


def unpaired_difference(first: Scores, second: Scores) -> Estimate | None:
    """Return the mean of the first less that of the second, of other cubes, or None where one has none.

    Cubes differ in each by themselves, and seeds, or animals, together where both have the same: B. L. Welch
    (1947), The generalization of "Student's" problem when several different population variances are
    involved, Biometrika 34, 28-35.
    """
    if not first or not second:
        return None
    both = {**first, **second}
    animals, others = _by_animal(first), _by_animal(second)
    away = [fmean(animals[name]) - fmean(others[name]) for name in animals if name in others]
    if len(away) >= FEWEST:
        return _with_error(fmean(away), [(variance(away) / len(away), len(away) - 1)], both)
    shared = {seed for *_, seed in first} & {seed for *_, seed in second}
    if shared:
        first, second = ({key: v for key, v in one.items() if key[2] in shared} for one in (first, second))
    ours, theirs = _matrix(first), _matrix(second)
    if ours is None or theirs is None:
        return _with_error(fmean(first.values()) - fmean(second.values()), [], both)
    terms = [*_of_cubes(ours), *_of_cubes(theirs)] if min(len(ours), len(theirs)) >= FEWEST else []
    by_seed = [matrix.mean(axis=0) for matrix in (ours, theirs)]
    if shared and len(by_seed[0]) == len(by_seed[1]):
        seeds = _of_seeds(by_seed[0] - by_seed[1])
    else:
        seeds = [term for means in by_seed for term in _of_seeds(means)]
    mean = float(by_seed[0].mean() - by_seed[1].mean())
    return _with_error(mean, [*terms, *seeds] if terms else [], {**first, **second})


def compared(first: Scores, second: Scores) -> Compared | None:
    """Return two scores and their difference: paired where any cube is in both, else unpaired.

    Of paired scores the means are over the cubes and seeds of both.

    Examples
    --------
    >>> first = {("", "A", 1): 0.9, ("", "B", 1): 0.8, ("", "C", 1): 0.7}
    >>> second = {("", "A", 1): 0.7, ("", "B", 1): 0.7, ("", "C", 1): 0.4}
    >>> str(compared(first, second))
    '.80 against .60, difference .20 [-.05, .45] over 3 cubes'
    """
    places, others = ({key[:2] for key in scores} for scores in (first, second))
    if places & others:
        shared = first.keys() & second.keys()
        first, second = ({key: v for key, v in one.items() if key in shared} for one in (first, second))
        difference = paired_difference(first, second)
    else:
        difference = unpaired_difference(first, second)
    if difference is None:
        return None
    return Compared(first=fmean(first.values()), second=fmean(second.values()), difference=difference)


def every_seed(scores: Scores, like: Scores) -> Scores:
    """Return the scores of what no other seed would change, for the seeds of another row."""
    seeds = sorted({seed for *_, seed in like})
    return {(animal, cube, seed): value for (animal, cube, _), value in scores.items() for seed in seeds}


def measured(rows: Sequence[Row]) -> Estimate | None:
    """Return one number over its animals, cubes and seeds, or None where it is defined nowhere.

    Where its rows are not known by cube, and each has an interval over the tissue of its own (that of Table
    3 is by bootstrap over runs of slices), those of several seeds are put together with Student's over
    seeds, distance by squared distance from the mean: G. Y. Zou and A. Donner (2008), Construction of
    confidence limits about effect measures: a general approach, Statistics in Medicine 27, 1693-1702.

    Parameters
    ----------
    rows
        Rows of one number, those of its single cubes among them; of the mean of classes, the cubes of each
        class.
    """
    whole = [row for row in rows if not row.cube and row.value is not None]
    if not whole:
        return None
    values = {(row.animal, row.task, row.seed): row.value or 0.0 for row in whole}
    seeds = {row.seed for row in whole}
    mean = fmean(fmean(of) for of in _by_animal(values).values())
    animals = {row.animal for row in whole}
    if len(animals) >= FEWEST:
        found = estimate(values)
        return found and replace(found, mean=mean, cubes=len({key[:2] for key in cube_scores(rows)}))
    scores = cube_scores(rows)
    if scores and (found := estimate(scores)):
        return replace(found, mean=mean)
    ends = _put_together(whole, mean) if len(animals) == 1 else None
    return Estimate(mean=mean, ends=ends, p=None, animals=len(animals), cubes=0, seeds=len(seeds))


def _by_animal(scores: Scores) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for (animal, *_), value in scores.items():
        found.setdefault(animal, []).append(value)
    return found


def _matrix(scores: Scores) -> Float64[np.ndarray, "cubes seeds"] | None:
    """Return the scores by cube and by the seeds that every cube has; None where there is no such seed."""
    places = list(dict.fromkeys((animal, cube) for animal, cube, _ in scores))
    seeds = dict.fromkeys(seed for *_, seed in scores)
    whole = [seed for seed in seeds if all((*place, seed) in scores for place in places)]
    if not whole:
        return None
    return np.array([[scores[animal, cube, seed] for seed in whole] for animal, cube in places])


def _of_cubes(matrix: Float64[np.ndarray, "cubes seeds"]) -> list[_Term]:
    """Return the part of the squared error that cubes show; none of fewer than three."""
    count = len(matrix)
    return [(float(matrix.mean(axis=1).var(ddof=1)) / count, count - 1)] if count >= FEWEST else []


def _of_seeds(means: Float64[np.ndarray, " seeds"]) -> list[_Term]:
    """Return the part of the squared error that several seeds' means show."""
    return [(float(means.var(ddof=1)) / len(means), len(means) - 1)] if len(means) > 1 else []


def _with_error(mean: float, terms: Sequence[_Term], scores: Scores) -> Estimate:
    """Return a mean with Student's interval, where the parts of its squared error are more than rounding."""
    error, ends, p = sum(square for square, _ in terms), None, None
    if error > 1e-24:
        from scipy.special import stdtr, stdtrit

        freedom = error**2 / sum(square**2 / degrees for square, degrees in terms)
        half = float(stdtrit(freedom, 0.975)) * sqrt(error)
        ends, p = (mean - half, mean + half), 2 * float(stdtr(freedom, -abs(mean) / sqrt(error)))
    return Estimate(
        mean=mean,
        ends=ends,
        p=p,
        animals=len({animal for animal, *_ in scores}),
        cubes=len({(animal, cube) for animal, cube, _ in scores}),
        seeds=len({seed for *_, seed in scores}),
    )


def _put_together(rows: Sequence[Row], mean: float) -> tuple[float, float] | None:
    """Return the interval of some seeds' mean from that of each, or None where one has none."""
    ends = [(row.low, row.high) for row in rows if row.low is not None and row.high is not None]
    if len(ends) < len(rows):
        return None
    low, high = (fmean(end) for end in zip(*ends, strict=True))
    if len({row.seed for row in rows}) == 1:
        return low, high
    training = summary([row.value or 0.0 for row in rows])
    half = mean - (training.low if training.low is not None else mean)
    below, above = (sqrt(max(0.0, away) ** 2 + half**2) for away in (mean - low, high - mean))
    return mean - below, mean + above
