import numpy as np
import pytest
from mtneuro_probe.readout.uncertainty import bootstrap_counts, interval, runs_of, shifted_orders, slice_runs


def test_runs_are_as_long_as_asked_and_stay_in_their_cube():
    cube, z = np.repeat(["A", "B"], 40), np.tile(np.repeat(np.arange(20), 2), 2)
    run = slice_runs(cube, z, length=6)
    assert np.bincount(run).tolist() == [12, 12, 12, 4] * 2
    for number in np.unique(run):
        assert np.ptp(z[run == number]) < 6
        assert len(np.unique(cube[run == number])) == 1
    with pytest.raises(ValueError, match="at least 1 slice long, got 0"):
        slice_runs(cube, z, length=0)


def test_a_bootstrap_draws_as_many_runs_as_there_are():
    counts = bootstrap_counts(7, n_draws=50, rng=np.random.default_rng(0))
    assert counts.shape == (50, 7)
    assert (counts.sum(axis=1) == 7).all()
    assert (counts.max(axis=1) > 1).any()


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


def test_a_shift_is_as_far_as_asked_either_way():
    cube, z = np.full(40, "A"), np.arange(40)
    orders = shifted_orders(cube, z, n_draws=200, rng=np.random.default_rng(0), least=12)
    turns = np.unique((orders - z) % 40)
    assert (turns.min(), turns.max()) == (12, 28)
    assert len(np.unique(shifted_orders(cube, z, n_draws=99, rng=np.random.default_rng(0), least=50))) == 40


def test_a_shift_follows_the_slices_and_not_the_rows():
    rng = np.random.default_rng(0)
    rows = rng.permutation(30)
    cube = np.full(30, "A")
    order = shifted_orders(cube, rows, n_draws=1, rng=rng)[0]
    assert len(np.unique((rows[order] - rows) % 30)) == 1


def test_without_draws_there_is_no_interval():
    assert np.isnan(interval(np.array([]))).all()


def test_a_run_is_read_from_the_ids():
    assert runs_of(["A/z3", "B/z3", "A/z2", "A/z9"], length=2).tolist() == [0, 2, 0, 1]
    assert runs_of(["x", "y", "x"], length=2).tolist() == [0, 1, 2]
