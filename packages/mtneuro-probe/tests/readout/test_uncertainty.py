from math import ceil, log10, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mtneuro_probe.readout.scores import r2, r2_contributions, r2_interval
from mtneuro_probe.readout.uncertainty import (
    LEAST_RUNS,
    Runs,
    block_length,
    bootstrap_counts,
    interval,
    places_of,
    shifted_orders,
    shuffled_orders,
    slice_runs,
)
from scipy.signal import lfilter
from scipy.stats import t


def correlated(rng: np.random.Generator, length: float, *shape: int) -> np.ndarray:
    """Series, one a row, that correlate by exp(-1 / length) from one place to the next."""
    kept = np.exp(-1 / length) if length else 0.0
    steps = rng.normal(size=shape) * np.sqrt(1 - kept**2)
    steps[:, 0] = rng.normal(size=shape[0])
    return np.asarray(lfilter([1], [1, -kept], steps, axis=1))


def places(n_cubes: int, depth: int) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(np.arange(n_cubes), depth), np.tile(np.arange(depth), n_cubes)


def literal_length(x: np.ndarray, *, further: int = 0) -> float:
    """The rule as Politis and White print it, of one series."""
    n = len(x)
    away = x - x.mean()
    covariance = [sum(away[k:] * away[: n - k]) / n for k in range(n)]
    k_n, bound = max(5, ceil(sqrt(log10(n)))), 2 * sqrt(log10(n) / n)
    m = 0
    while not all(abs(covariance[m + k] / covariance[0]) < bound for k in range(1, k_n + 1)):
        m += 1
    widest = 2 * max(m + further, 1)
    moment, total = 0.0, 0.0
    for k in range(-widest, widest + 1):
        window = 1 if abs(k) <= widest / 2 else 2 * (1 - abs(k) / widest)
        moment += window * abs(k) * covariance[abs(k)]
        total += window * covariance[abs(k)]
    return (2 * moment**2 / (4 / 3 * total**2)) ** (1 / 3) * n ** (1 / 3)


@pytest.mark.parametrize(
    ("seed", "kept", "n", "of_arch"),
    [
        (0, 0.0, 500, 1.1263582324667072),
        (1, 0.5, 400, 5.965546157939242),
        (2, 0.9, 1000, 27.397266167250564),
        (3, -0.4, 300, 11.523883212375157),
    ],
)
def test_the_block_length_is_the_published_rules(seed, kept, n, of_arch):
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=n)
    x = steps.copy()
    for at in range(1, n):
        x[at] = kept * x[at - 1] + steps[at]
    # The library arch 8 counts the first small autocorrelation to the window, which the paper leaves out.
    assert literal_length(x, further=1) == pytest.approx(of_arch)
    expected = max(1.0, literal_length(x))
    assert block_length(x, np.zeros(n), np.arange(n)) == pytest.approx(expected)
    # Neither the unit of the score, nor the order of the rows, nor how slices are spaced and counted matters.
    shuffled = rng.permutation(n)
    again = block_length(7 * x[shuffled] - 3, np.zeros(n), 5 + 4 * shuffled.astype(np.uint16))
    assert again == pytest.approx(4 * expected)


def test_the_block_length_grows_with_the_length_of_correlation_in_cubes_too():
    rng = np.random.default_rng(0)
    cube, z = places(12, 200)
    found = [
        np.median([block_length(correlated(rng, length, 12, 200).ravel(), cube, z) for _ in range(9)])
        for length in (0, 3, 10, 30)
    ]
    # What the rule asks for where the autocorrelation is known: (3/2 (g / S)² n)^⅓, g / S = 2ρ / (1 - ρ²).
    known = [0.0] + [(1.5 / np.sinh(1 / length) ** 2 * 2400) ** (1 / 3) for length in (3, 10, 30)]
    assert found[0] < 5
    assert found[1:] == pytest.approx(known[1:], rel=0.35)


def test_corners_of_a_slice_count_as_one():
    rng = np.random.default_rng(0)
    cube, z = places(4, 100)
    x = correlated(rng, 5, 4, 100).ravel()
    corners = np.repeat(x / 4, 4)
    assert block_length(corners, cube.repeat(4), z.repeat(4)) == pytest.approx(block_length(x, cube, z))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), min_size=1, max_size=30),
    st.integers(0, 2**32 - 1),
)
def test_any_slices_have_a_block_length(at, seed):
    cube, z = np.array(at).T
    found = block_length(np.random.default_rng(seed).normal(size=len(z)), cube, z)
    assert np.isfinite(found)
    assert found >= 1


def test_runs_are_as_long_as_asked_and_stay_in_their_cube():
    cube, z = np.repeat(["A", "B"], 40), np.tile(np.repeat(np.arange(20), 2), 2)
    run = slice_runs(cube, z, length=6)
    assert np.bincount(run).tolist() == [14, 14, 12] * 2
    for number in np.unique(run):
        assert len(np.unique(cube[run == number])) == 1
    assert slice_runs(cube, z, length=500).tolist() == [0] * 40 + [1] * 40
    assert slice_runs(cube, z.astype(np.uint8), length=6).tolist() == run.tolist()
    with pytest.raises(ValueError, match="at least 1 slice long, got 0"):
        slice_runs(cube, z, length=0)


def test_too_few_runs_and_equal_scores_are_told():
    rng = np.random.default_rng(0)
    cube, z = places(2, 100)
    told = Runs.of(rng.normal(size=200), cube, z, length=20)
    assert (told.number, told.reason) == (10, "10 run(s) of at least 20 slices, and 12 are needed")
    assert Runs.of(rng.normal(size=200), cube, z, length=10).reason == ""
    wave = np.sin(np.arange(200) / 30)
    assert "as far as they are alike, and 12 are needed" in Runs.of(wave, cube, z).reason
    assert "scores the same" in Runs.of(np.zeros(200), cube, z).reason


def test_a_bootstrap_draws_as_many_runs_as_there_are():
    counts = bootstrap_counts(7, n_draws=50, rng=np.random.default_rng(0))
    assert counts.shape == (50, 7)
    assert (counts.sum(axis=1) == 7).all()
    assert (counts.max(axis=1) > 1).any()


def test_the_interval_of_a_mean_of_few_runs_is_nearly_students():
    rng = np.random.default_rng(0)
    x = rng.normal(size=12)
    draws = bootstrap_counts(12, n_draws=200_000, rng=rng) @ x / 12
    half = t.ppf(0.975, 11) * x.std(ddof=1) / sqrt(12)
    low, high = interval(draws, n_runs=12)
    assert high - low == pytest.approx(2 * half, rel=0.03)
    plain = interval(draws)
    assert low < plain[0] < plain[1] < high


@pytest.mark.parametrize("within", [False, True])
def test_shifts_keep_neighbours_together_and_every_sample_once(within):
    cube, z = np.repeat(["A", "B"], 40), np.tile(np.repeat(np.arange(20), 2), 2)
    orders = shifted_orders(cube, z, n_draws=20, rng=np.random.default_rng(0), within_cubes=within)
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(80))
        assert (np.diff(order) == 1).sum() >= 80 - 4
        # The two samples of a slice stay side by side, and each in its own place there.
        np.testing.assert_array_equal(order % 2, np.arange(80) % 2)
    moved = np.array([(cube[order] != cube).any() for order in orders])
    assert moved.any() != within
    assert len(np.unique(orders, axis=0)) > 10


def test_turns_are_as_far_apart_as_asked_and_none_is_missing():
    cube, z = np.full(40, "A"), np.arange(40)
    for within in (True, False):
        orders = shifted_orders(
            cube, z, n_draws=200, rng=np.random.default_rng(0), apart=10, within_cubes=within
        )
        assert sorted((orders[:, 0] - z[0]).tolist()) == [10, 20, 30]
    assert len(shifted_orders(cube, z, n_draws=99, rng=np.random.default_rng(0), apart=50)) == 0


@pytest.mark.parametrize("within", [False, True])
def test_no_more_orders_are_drawn_than_there_are(within):
    cube, z = places(2, 4)
    orders = shifted_orders(cube, z, n_draws=500, rng=np.random.default_rng(0), within_cubes=within)
    assert len(np.unique(orders, axis=0)) == len(orders)
    assert (orders != np.arange(8)).any(axis=1).all()
    assert len(orders) == (15 if within else 7)


def test_groups_change_places_in_every_way_there_is():
    group = np.array([0, 2, 0, 1, 2, 1])
    orders = shuffled_orders(group, n_draws=50, rng=np.random.default_rng(0))
    assert len(np.unique(orders, axis=0)) == len(orders) == 5
    for order in orders:
        # Each group's values go to one group.
        assert all(len(set(group[order][group == name])) == 1 for name in range(3))
    drawn = shuffled_orders(np.arange(30), n_draws=50, rng=np.random.default_rng(0))
    assert drawn.shape == (50, 30)
    np.testing.assert_array_equal(np.sort(drawn, axis=1), np.tile(np.arange(30), (50, 1)))


def test_a_shift_follows_the_slices_and_not_the_rows():
    rng = np.random.default_rng(0)
    rows = rng.permutation(30)
    cube = np.full(30, "A")
    order = shifted_orders(cube, rows, n_draws=1, rng=rng)[0]
    assert len(np.unique((rows[order] - rows) % 30)) == 1


def test_without_draws_there_is_no_interval():
    assert np.isnan(interval(np.array([]))).all()


def test_a_place_is_read_from_the_ids():
    cube, z = places_of(["A/z3", "B/z3", "A/z2", "A/z9"])
    assert slice_runs(cube, z, length=4).tolist() == [0, 2, 0, 1]
    assert slice_runs(*places_of(["x", "y", "x"]), length=2).tolist() == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("length", [3, 10, 30])
@pytest.mark.parametrize(("n_cubes", "depth"), [(4, 360), (12, 360), (24, 120)])
def test_nominal_95_percent_intervals_hold_the_true_score_in_90_percent_and_more(
    length, n_cubes, depth, record_property
):
    """A readout that knows half of a feature's variance: the true R² is 0.5."""
    rng = np.random.default_rng(7)
    cube, z = places(n_cubes, depth)
    held: list[bool] = []
    of_ten: list[bool] = []
    n_tries = 400
    for _ in range(n_tries):
        known, rest = (correlated(rng, length, n_cubes, depth).reshape(-1, 1) for _ in range(2))
        y = known + rest
        assert abs(r2(y, known) - 0.5) < 0.5
        runs = Runs.of(r2_contributions(y, known), cube, z)
        if not runs.reason:
            low, high = r2_interval(y, known, runs, n_draws=400, rng=rng)
            held.append(low < 0.5 < high)
        fixed = Runs(run=slice_runs(cube, z, length=10), length=10)
        of_ten.append(bool(np.prod(np.subtract(r2_interval(y, known, fixed, n_draws=400, rng=rng), 0.5)) < 0))
    record_property(f"held of {len(held)}, {n_cubes} cubes of {depth}, length {length}", float(np.mean(held)))
    record_property("held of runs of 10 slices", float(np.mean(of_ten)))
    assert len(held) > 0.5 * n_tries
    # Two standard errors of the simulation itself.
    assert np.mean(held) > 0.9 - 2 * sqrt(0.09 / len(held))
    assert LEAST_RUNS == 12
