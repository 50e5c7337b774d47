"""Masked arrays."""

import numpy as np
import pytest
from mtneuro_ssl._shared.masked import check_unmasked


def test_values_behind_a_mask_are_refused_with_the_way_out():
    hidden = np.ma.masked_equal([0, 1, 1], 0)
    with pytest.raises(ValueError, match=r"must not be masked, got 1 of 3 .* the background first: labels"):
        check_unmasked(hidden, "labels", fill="the background")


@pytest.mark.parametrize("array", [np.zeros(3), np.ma.array([1, 2]), [1], None])
def test_what_hides_nothing_passes(array):
    check_unmasked(array, "images")
