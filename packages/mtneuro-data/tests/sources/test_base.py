from collections.abc import Sequence

import numpy as np
import pytest
from mtneuro_data import Box
from mtneuro_data.sources.base import BoxesSource, Source

VOXELS = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
BOXES = [Box((0, 0, 0), (1, 2, 3)), Box((2, 1, 4), (4, 5, 6))]


class OneByOne(Source):
    """Storage that defines no more than it must."""

    def read(self, box: Box, /) -> np.ndarray:
        return VOXELS[box.slices]


class Several(BoxesSource):
    """Storage that reads several boxes at once, and defines no more than it must."""

    def read_boxes(
        self, boxes: Sequence[Box], /, *, out: Sequence[np.ndarray] | None = None
    ) -> list[np.ndarray]:
        return [VOXELS[box.slices] for box in boxes]


def test_a_source_that_reads_one_box_reads_several_in_order() -> None:
    first, second = OneByOne().read_boxes(BOXES)
    np.testing.assert_array_equal(first, VOXELS[0:1, 0:2, 0:3])
    np.testing.assert_array_equal(second, VOXELS[2:4, 1:5, 4:6])


def test_a_source_that_reads_one_box_fills_the_arrays_it_is_given() -> None:
    out = [np.zeros(box.shape, np.uint8) for box in BOXES]
    read = OneByOne().read_boxes(BOXES, out=out)
    assert [array is target for array, target in zip(read, out, strict=True)] == [True, True]
    np.testing.assert_array_equal(out[1], VOXELS[2:4, 1:5, 4:6])


def test_too_few_arrays_to_read_into_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        OneByOne().read_boxes(BOXES, out=[np.zeros((1, 2, 3), np.uint8)])


def test_a_source_that_reads_several_boxes_reads_one() -> None:
    np.testing.assert_array_equal(Several().read(BOXES[1]), VOXELS[2:4, 1:5, 4:6])


def test_only_a_boxes_source_is_read_side_by_side() -> None:
    assert (OneByOne().side_by_side, Several().side_by_side) == (False, True)
