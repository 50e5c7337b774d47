import pytest
from hypothesis import given
from hypothesis import strategies as st
from mtneuro_data import CubeSpec
from mtneuro_data.box import Box


def box(*ranges: tuple[int, int], level: int = 0) -> CubeSpec:
    (z0, z1), (y0, y1), (x0, x1) = ranges
    return CubeSpec(channel="lab/scan/em", lower=(z0, y0, x0), upper=(z1, y1, x1), level=level)


ranges = st.tuples(st.integers(0, 6), st.integers(1, 4)).map(lambda pair: (pair[0], pair[0] + pair[1]))
boxes = st.builds(box, ranges, ranges, ranges)


def voxels(spec: CubeSpec) -> set[tuple[int, int, int]]:
    spans = [range(lo, hi) for lo, hi in zip(spec.lower, spec.upper, strict=True)]
    return {(z, y, x) for z in spans[0] for y in spans[1] for x in spans[2]}


@given(boxes, boxes)
def test_sharing_and_touching_agree_with_sets_of_voxels(a: CubeSpec, b: CubeSpec) -> None:
    ours, theirs = voxels(a), voxels(b)
    steps = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
    beside = any((z + dz, y + dy, x + dx) in theirs for z, y, x in ours for dz, dy, dx in steps)
    assert a.shares_voxels(b) == bool(ours & theirs)
    assert a.touches(b) == (beside and not ours & theirs)


def test_an_empty_range_is_refused_by_axis_and_value() -> None:
    with pytest.raises(ValueError, match=r"y range must satisfy 0 <= lower < upper, got \[5, 5\)"):
        box((0, 1), (5, 5), (0, 1))


def test_boxes_of_different_levels_are_not_compared() -> None:
    with pytest.raises(ValueError, match="one level"):
        box((0, 1), (0, 1), (0, 1)).touches(box((0, 1), (0, 1), (0, 1), level=1))


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
