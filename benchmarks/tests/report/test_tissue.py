from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_ind, ttest_rel

from mtneuro_suite.report import tissue
from mtneuro_suite.report.statistics import summary
from mtneuro_suite.report.tissue import cube_scores, every_seed
from mtneuro_suite.runs.row import Row
from mtneuro_suite.steps.over_cubes import ratio_interval

CUBES = tuple("ABCDEF")

# That there is an estimate is what the tests say.
estimate: Callable[..., Any] = tissue.estimate
paired_difference: Callable[..., Any] = tissue.paired_difference
unpaired_difference: Callable[..., Any] = tissue.unpaired_difference
compared: Callable[..., Any] = tissue.compared
measured: Callable[..., Any] = tissue.measured


def scores(values, *, cubes=CUBES, animals=("",)) -> dict[tuple[str, str, int], float]:
    """Return scores by animal, cube and seed, of an array of that shape or less."""
    array = np.asarray(values, dtype=float)
    array = array.reshape(len(animals), len(cubes), -1)
    seeds = range(1, array.shape[2] + 1)
    places: Any = product(animals, cubes, seeds)
    return dict(zip(places, array.ravel().tolist(), strict=True))


def row(value, *, seed=1, n=40, **others):
    key: dict[str, Any] = {
        "task": "t",
        "training_set": "t:train",
        "test_set": "t:test",
        "model": "m",
        "metric": "f1",
    }
    return Row(**{**key, **others}, seed=seed, value=value, n=n)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_of_one_seed_it_is_students_interval_over_cubes(rng):
    values = rng.normal(size=6)
    found = estimate(scores(values))
    theirs: Any = ttest_1samp(values, 0)
    assert found.ends == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert found.p == pytest.approx(theirs.pvalue)
    assert (found.cubes, found.seeds, found.animals) == (6, 1, 1)


def test_several_seeds_add_what_they_vary_by():
    # Cubes alone differ in the one, seeds alone in the other, by the same numbers.
    away = np.array([-1.0, 0, 1])
    over_cubes, over_seeds = (scores(values, cubes="ABC") for values in (
        np.repeat(away[:, None], 3, 1), np.repeat(away[None], 3, 0)
    ))  # fmt: skip
    alone = ttest_1samp(away, 0).confidence_interval(0.95)
    assert estimate(over_cubes).ends == pytest.approx((alone.low, alone.high))
    assert estimate(over_seeds).ends == pytest.approx((alone.low, alone.high))
    both = {key: over_cubes[key] + over_seeds[key] for key in over_cubes}
    # Twice the squared error, and four degrees of freedom in place of two.
    assert estimate(both).ends == pytest.approx((-2.7764 * np.sqrt(2 / 3), 2.7764 * np.sqrt(2 / 3)), abs=1e-3)


def test_pairs_take_away_what_both_have_in_common(rng):
    first, second = rng.normal(size=(2, 6))
    found = paired_difference(scores(first), scores(second))
    assert found.ends == pytest.approx(tuple(ttest_rel(first, second).confidence_interval(0.95)))
    seeds = rng.normal(size=(1, 3)) * 5
    first, second = (rng.normal(size=(6, 1)) + seeds + 0.1 * rng.normal(size=(6, 3)) for _ in range(2))
    wide, narrow = estimate(scores(first)), paired_difference(scores(first), scores(second))
    assert narrow.ends[1] - narrow.ends[0] < (wide.ends[1] - wide.ends[0]) / 2


def test_other_cubes_are_compared_by_welch_and_the_seeds_that_both_have_are_paired(rng):
    first, second = rng.normal(size=5), rng.normal(size=7) * 2
    found = unpaired_difference(scores(first, cubes="ABCDE"), scores(second, cubes="HIJKLMN"))
    welch = ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert found.ends == pytest.approx((welch.low, welch.high))
    seeds = np.array([[-5.0, 0, 5]])
    same = unpaired_difference(
        scores(first[:, None] + seeds, cubes="ABCDE"), scores(second[:, None] + seeds, cubes="HIJKLMN")
    )
    assert same.ends == pytest.approx(found.ends)


def test_three_animals_are_what_the_interval_is_over_and_two_give_their_cubes(rng):
    values = rng.normal(size=(3, 4, 2))
    three = estimate(scores(values, cubes="ABCD", animals="123"))
    theirs = ttest_1samp(values.mean(axis=(1, 2)), 0).confidence_interval(0.95)
    assert three.ends == pytest.approx((theirs.low, theirs.high))
    assert three.over == "3 animals"
    two = estimate(scores(values[:2], cubes="ABCD", animals="12"))
    as_cubes = estimate(scores(values[:2].reshape(8, 2), cubes="ABCDEFGH"))
    assert two.ends == pytest.approx(as_cubes.ends)
    assert (two.animals, two.cubes, two.over) == (2, 8, "8 cubes and 2 seeds")


@pytest.mark.parametrize(
    ("values", "cubes"),
    [([0.1, 0.9], "AB"), ([0.5, 0.5, 0.5], "ABC"), ([[0.1, 0.9, 0.3], [0.2, 0.5, 0.4]], "AB")],
)
def test_too_few_cubes_or_none_that_vary_give_no_interval(values, cubes):
    found = estimate(scores(values, cubes=cubes))
    assert found is not None
    assert (found.ends, found.p, found.resolved) == (None, None, False)
    assert found.mean == pytest.approx(np.mean(values))


def test_without_scores_or_without_any_in_common_there_is_nothing():
    one, other = scores([1.0], cubes="A"), scores([1.0], cubes="B")
    assert estimate({}) is paired_difference(one, other) is unpaired_difference({}, one) is None
    assert compared({}, one) is measured([]) is None


def test_a_seed_that_some_cubes_lack_is_left_out():
    whole = scores([[0.1, 0.9], [0.2, 0.8], [0.6, 0.7]], cubes="ABC")
    del whole["", "C", 2]
    assert estimate(whole).mean == pytest.approx(0.3)


def test_what_draws_nothing_stands_beside_every_seed():
    pca, byol = scores([0.1, 0.2, 0.6], cubes="ABC"), scores(np.arange(6) / 10, cubes="ABC")
    assert every_seed(pca, byol) == {(a, cube, seed): pca[a, cube, 1] for a, cube, seed in byol}


def test_cubes_of_unlike_size_weigh_as_in_the_ratio_of_their_sums(rng):
    parts, wholes = rng.integers(1, 20, (5, 2)).astype(float), rng.integers(20, 60, (5, 2)).astype(float)
    rows = [
        row(part / whole, n=int(whole), cube=cube, class_name=name)
        for name, ps, ws in zip(("cell", "vessel"), parts.T, wholes.T, strict=True)
        for cube, part, whole in zip(CUBES, ps.tolist(), ws.tolist(), strict=False)
    ]
    mean = (parts.sum(axis=0) / wholes.sum(axis=0)).mean()
    found = measured([row(mean, class_name="average"), *rows])
    assert found.mean == pytest.approx(mean)
    assert found.ends == pytest.approx(ratio_interval(parts, wholes))
    assert np.mean([*cube_scores(rows).values()]) == pytest.approx(mean)


def test_a_cube_without_a_class_adds_what_all_cubes_do():
    rows = [row(0.5, cube="A", class_name="cell"), row(0.5, cube="B", class_name="cell")]
    rows += [row(0.8, cube=cube, class_name="vessel") for cube in "ABC"]
    assert cube_scores(rows) == pytest.approx({("", cube, 1): 0.65 for cube in "ABC"})


def test_intervals_that_are_known_of_each_seed_alone_are_put_together_with_the_seeds():
    rows = [
        row(value, seed=seed, low=value - 0.1, high=value + 0.2) for seed, value in enumerate((0.2, 0.3, 0.7))
    ]
    assert measured(rows[:1]).ends == pytest.approx((0.1, 0.4))
    found, training = measured(rows), summary([0.2, 0.3, 0.7])
    half = (training.high or 0) - training.mean
    assert found.ends == pytest.approx((0.4 - np.hypot(0.1, half), 0.4 + np.hypot(0.2, half)))
    assert measured([*rows, row(0.5, seed=9)]).ends is None
    animals = [replace(one, animal=str(one.seed), seed=1) for one in rows]
    assert measured(animals).ends == pytest.approx((training.low, training.high))
    assert measured(animals[:2]).ends is None


def test_a_share_stays_between_0_and_1_and_an_r2_need_not():
    rows = [row(value, cube=cube) for cube, value in zip("ABC", (0.9, 1.0, 1.0), strict=True)]
    assert measured([row(0.97), *rows]).share[1] == 1
    assert measured([row(0.0, low=-0.4, high=0.1)]).share == (-0.4, 0.1)


def covered(*, tissue, training, rest, regions, cubes, seeds, draws=1000):
    """Return how often the interval holds the truth, over cubes of four regions and over seeds."""
    rng, names = np.random.default_rng(3), tuple(map(str, range(4 * cubes)))
    region = regions * np.array([1, -1, 0.5, -0.5]).repeat(cubes)
    held = 0
    for _ in range(draws):
        values = (
            region[:, None] + tissue * rng.normal(size=(4 * cubes, 1)) + training * rng.normal(size=seeds)
        )
        found = estimate(scores(values + rest * rng.normal(size=values.shape), cubes=names))
        held += found.ends[0] <= 0 <= found.ends[1]
    return held / draws


@pytest.mark.slow
@pytest.mark.parametrize(("cubes", "seeds"), [(1, 3), (3, 3), (3, 5)])
@pytest.mark.parametrize(
    ("tissue", "training", "rest", "regions"),
    [(1, 1, 1, 0), (1, 0, 1, 0), (0, 1, 1, 0), (1, 0.3, 0.3, 0), (0.3, 1, 0.3, 0), (1, 0.5, 0.5, 1.5)],
)
def test_an_interval_over_cubes_and_seeds_holds_the_truth_whatever_varies_most(
    tissue, training, rest, regions, cubes, seeds
):
    share = covered(tissue=tissue, training=training, rest=rest, regions=regions, cubes=cubes, seeds=seeds)
    assert share >= 0.9


@pytest.mark.slow
def test_over_cubes_or_seeds_alone_it_would_not():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(4000, 8, 1)) + rng.normal(size=(4000, 1, 3)) + rng.normal(size=(4000, 8, 3))
    for axis, expected in ((2, 0.8), (1, 0.93)):
        alone = ttest_1samp(values.mean(axis=axis), 0, axis=1).confidence_interval(0.95)
        assert np.mean((alone.low <= 0) & (alone.high >= 0)) == pytest.approx(expected, abs=0.03)
    # Where cubes and the rest vary, and seeds do not, seeds alone say far too little.
    values = rng.normal(size=(4000, 12, 1)) + rng.normal(size=(4000, 12, 5))
    alone = ttest_1samp(values.mean(axis=1), 0, axis=1).confidence_interval(0.95)
    assert np.mean((alone.low <= 0) & (alone.high >= 0)) < 0.75
