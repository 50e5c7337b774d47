"""Sample ids: what they name, and which samples are neighbours by them."""

import numpy as np
import pytest
from mtneuro_ssl._shared.sample_ids import consecutive_runs, parsed_ids, slice_stacks, why_apart


def rows(runs: list[np.ndarray]) -> list[list[int]]:
    """Return runs as lists."""
    return [run.tolist() for run in runs]


def test_an_id_names_cube_slice_and_corner_or_nothing():
    ids = parsed_ids(["A/z1/tl", "a/z3/b/z5", "A/z1/xx", "/z1", "A/z", "A/z-3", "A/z" + 30 * "9", "A/z²"])
    assert ids.cube.tolist() == ["A", "a/z3/b", "", "", "", "", "", ""]
    assert ids.z.tolist() == [1, 5, 0, 0, 0, 0, 0, 0]
    assert ids.placed.tolist() == [True, True, *[False] * 6]
    assert parsed_ids(np.array(["A/z7"])).corner.tolist() == [""]


def test_no_ids_are_no_runs():
    assert consecutive_runs([]) == []
    assert parsed_ids([]).z.dtype == np.int64


def test_runs_end_with_a_cube_and_at_a_gap():
    ids = [f"A/z{z}" for z in (0, 1, 3, 4)] + [f"D/z{z}" for z in (5, 6)]
    assert rows(consecutive_runs(ids)) == [[0, 1], [2, 3], [4, 5]]


def test_slices_ten_apart_are_one_stack_and_no_run():
    ids = [f"A/z{z}" for z in (0, 10, 20)]
    assert rows(slice_stacks(ids)) == [[0, 1, 2]]
    assert rows(consecutive_runs(ids)) == [[0], [1], [2]]
    assert why_apart(ids) == "the slices of a cube are 10 apart"
    assert why_apart(["A/z0", "A/z1"]) == why_apart(["A/z0", "B/z0"]) == ""


def test_corners_are_stacks_of_their_own():
    ids = [f"A/z{z}/{corner}" for z in (0, 1) for corner in ("tl", "br")]
    assert rows(consecutive_runs(ids)) == [[0, 2], [1, 3]]


def test_an_image_with_another_kind_of_id_stands_alone_even_beside_its_equal():
    assert rows(slice_stacks(["img", "img", "A/z0"])) == [[0], [1], [2]]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_rows_changes_no_run(seed):
    order = np.random.default_rng(seed).permutation(12)
    ids = np.array([f"{cube}/z{z}" for cube in "AB" for z in (4, 5, 6, 8, 9, 20)])
    found = {tuple(ids[order][run]) for run in consecutive_runs(ids[order])}
    assert found == {tuple(ids[run]) for run in consecutive_runs(ids)}


def test_two_samples_of_one_slice_are_refused_by_name():
    with pytest.raises(ValueError, match="name each slice once, got twice: A/z7"):
        slice_stacks(["A/z7", "A/z8", "A/z07"])
