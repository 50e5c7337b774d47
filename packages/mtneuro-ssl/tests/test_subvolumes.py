import numpy as np
import pytest
from mtneuro_ssl.subvolumes import Subvolumes, slices_at, subvolume_rows
from mtneuro_ssl.types import Volume

VOLUME = np.random.default_rng(0).integers(0, 256, (7, 4, 5), dtype=np.uint8)
ROWS = np.array([[1, 2, 3], [6, 4, 5]])


def test_subvolumes_are_those_slices_however_they_are_sliced():
    found, expected = Subvolumes(VOLUME, ROWS), VOLUME[ROWS]
    assert isinstance(found, Volume)
    assert (len(found), found.shape, found.dtype) == (2, (2, 3, 4, 5), np.uint8)
    for key in (0, -1, slice(None), slice(1, 2), slice(5, 9), ..., (1, slice(0, 2)), (slice(None), 0, 1)):
        np.testing.assert_array_equal(found[key], expected[key], err_msg=str(key))


def test_consecutive_slices_are_read_at_one_go():
    class Counted:
        shape, dtype = VOLUME.shape, VOLUME.dtype
        reads = 0

        def __getitem__(self, key):
            self.reads += 1
            return VOLUME[key]

    volume = Counted()
    np.testing.assert_array_equal(slices_at(volume, ROWS[0], (slice(1, 3),)), VOLUME[1:4, 1:3])
    assert volume.reads == 1
    np.testing.assert_array_equal(slices_at(volume, ROWS[1], (slice(1, 3),)), VOLUME[[6, 4, 5], 1:3])


def test_subvolumes_cross_neither_a_cubes_end_nor_a_gap():
    ids = [*(f"A/z{z}" for z in range(5)), *(f"A/z{z}" for z in (6, 7)), "B/z8", "B/z9", "photo"]
    assert subvolume_rows(ids, depth=2).tolist() == [[0, 1], [2, 3], [5, 6], [7, 8]]


def test_without_a_subvolume_a_line_says_why():
    with pytest.raises(ValueError, match=r"depth=8 need as many consecutive slices, got runs of 3 at most$"):
        subvolume_rows(["A/z1", "A/z2", "A/z3"], depth=8)
    with pytest.raises(ValueError, match="got runs of 1 at most, where the slices of a cube are 10 apart"):
        subvolume_rows(["A/z0", "A/z10"], depth=2)
