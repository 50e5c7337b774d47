import pytest
from hypothesis import given
from hypothesis import strategies as st
from mtneuro_data import CubeSpec


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
    with pytest.raises(ValueError, match="the same level"):
        box((0, 1), (0, 1), (0, 1)).touches(box((0, 1), (0, 1), (0, 1), level=1))
