import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mtneuro_suite.report.statistics import holm, paired, summary

values = st.lists(st.floats(-1, 1), min_size=2, max_size=8)


@given(values)
def test_the_interval_agrees_with_scipys(numbers):
    found = summary(numbers)
    sem = stats.sem(numbers)
    if sem > 1e-9:
        low, high = stats.t.interval(0.95, len(numbers) - 1, loc=np.mean(numbers), scale=sem)
        assert (found.low, found.high) == pytest.approx((low, high))


def test_one_number_has_no_spread():
    assert (summary([0.5]).sd, summary([0.5]).low) == (None, None)


def test_no_number_is_refused():
    with pytest.raises(ValueError, match="at least one value"):
        summary([])


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=7))
def test_p_counts_every_flip_of_the_signs(differences):
    flips = itertools.product((1, -1), repeat=len(differences))
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in flips]
    naive = np.mean([one >= abs(sum(differences)) for one in sums])
    by_seed = {seed: difference / 10 for seed, difference in enumerate(differences)}
    assert paired(by_seed, dict.fromkeys(by_seed, 0.0)).p == pytest.approx(naive)


def test_p_agrees_with_scipys_permutation_test():
    rng = np.random.default_rng(3)
    first, second = rng.normal(0.3, 1, 7), rng.normal(0, 1, 7)
    ours = paired(dict(enumerate(first.tolist())), dict(enumerate(second.tolist())))
    theirs = stats.permutation_test(
        (first, second), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=10_000
    )
    assert ours.p == pytest.approx(theirs.pvalue)


def test_exchanging_the_two_flips_the_difference_and_keeps_p():
    a, b = {1: 0.9, 2: 0.7, 3: 0.8}, {1: 0.6, 2: 0.75, 3: 0.5}
    there, back = paired(a, b), paired(b, a)
    assert there.difference.mean == -back.difference.mean
    assert there.p == back.p


def test_seeds_that_are_not_shared_are_refused():
    with pytest.raises(ValueError, match="share a seed"):
        paired({1: 0.5}, {2: 0.5})


def test_more_seeds_than_can_be_counted_are_refused():
    many = dict.fromkeys(range(21), 0.5)
    with pytest.raises(ValueError, match="at most 20"):
        paired(many, many)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holms_correction_rejects_what_stepping_down_does(p):
    corrected = holm(p)
    assert all(0 <= before <= after <= 1 for before, after in zip(p, corrected, strict=True))
    for level in (0.01, 0.05, 0.2):
        rejected = []
        for rank, at in enumerate(sorted(range(len(p)), key=lambda at: p[at])):
            if (len(p) - rank) * p[at] > level:
                break
            rejected.append(at)
        assert {at for at, value in enumerate(corrected) if value <= level} == set(rejected)


def test_what_is_no_p_value_is_refused():
    with pytest.raises(ValueError, match=r"between 0 and 1, got 1\.5"):
        holm([0.1, 1.5])
