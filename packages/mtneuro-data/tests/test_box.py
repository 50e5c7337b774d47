import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mtneuro_data import Box

ranges = st.tuples(st.integers(0, 6), st.integers(1, 4)).map(lambda pair: (pair[0], pair[0] + pair[1]))
boxes = st.tuples(ranges, ranges, ranges).map(
    lambda axes: Box((axes[0][0], axes[1][0], axes[2][0]), (axes[0][1], axes[1][1], axes[2][1]))
)


def marked(box: Box) -> np.ndarray:
    """Return a volume whose voxels are true inside a box."""
    volume = np.zeros((11, 11, 11), bool)
    volume[box.slices] = True
    return volume


@given(boxes, boxes)
def test_an_intersection_is_that_of_the_sets_of_voxels(a: Box, b: Box) -> None:
    both = a.intersection(b)
    shared = marked(a) & marked(b)
    np.testing.assert_array_equal(np.zeros_like(shared) if both is None else marked(both), shared)


@given(boxes)
def test_a_box_has_as_many_voxels_as_it_marks(box: Box) -> None:
    assert (marked(box).sum(), marked(box)[box.slices].shape) == (box.size, box.shape)


def test_slices_count_from_an_origin() -> None:
    box = Box((3, 10, 20), (5, 12, 24))
    assert box.slices_from((1, 10, 0)) == np.s_[2:4, 0:2, 20:24]


def test_a_box_unpacks_and_is_pickled() -> None:
    box = Box((1, 2, 3), (4, 5, 6))
    lower, upper = pickle.loads(pickle.dumps(box))
    assert (lower, upper) == (box.lower, box.upper)


@pytest.mark.parametrize(("lower", "upper"), [((0, 5, 0), (1, 5, 1)), ((0, -1, 0), (1, 1, 1))])
def test_an_empty_or_negative_range_is_refused_by_axis(
    lower: tuple[int, int, int], upper: tuple[int, int, int]
) -> None:
    with pytest.raises(ValueError, match=r"y range must satisfy 0 <= lower < upper, got \["):
        Box(lower, upper)


@pytest.mark.parametrize(
    ("lower", "upper", "text"),
    [
        ((0, 0, 5), (1, 1, 11), r"x range must lie within \[0, 10\), got \[5, 11\)"),
        ((-1, 0, 0), (1, 1, 1), r"z range must lie within \[0, 10\), got \[-1, 1\)"),
        ((0, 3, 0), (1, 3, 1), r"y range must not be empty, got \[3, 3\)"),
        ((10**30, 0, 0), (10**31, 1, 1), "z range must lie within"),
    ],
)
def test_a_box_outside_is_refused(lower: tuple[int, ...], upper: tuple[int, ...], text: str) -> None:
    with pytest.raises(IndexError, match=text):
        Box.inside(lower, upper, (10, 10, 10), what="em")
