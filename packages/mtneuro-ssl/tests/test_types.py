import numpy as np
import pytest
import zarr
from mtneuro_ssl.types import Volume


@pytest.mark.parametrize("make", [lambda array: array, lambda array: zarr.create_array({}, data=array)])
def test_whatever_slices_like_an_array_is_a_volume(make):
    assert isinstance(make(np.zeros((2, 4, 4), np.uint8)), Volume)


def test_a_list_of_images_is_no_volume():
    assert not isinstance([np.zeros((4, 4), np.uint8)], Volume)
