"""An axis of channels is asked about, never taken for slices."""

import pytest
from mtneuro_data._shared.channels import check_no_channels


@pytest.mark.parametrize(
    ("shape", "axes", "taken"),
    [
        ((10, 1, 64, 48), "n, channel, y, x", "[:, 0]"),
        ((10, 3, 64, 48), "n, channel, y, x", "[:, 0]"),
        ((10, 64, 48, 1), "n, y, x, channel", "[..., 0]"),
        ((10, 64, 48, 3), "n, y, x, channel", "[..., 0]"),
        ((10, 64, 48, 4), "n, y, x, channel", "[..., 0]"),
        ((64, 48, 3), "y, x, channel", "[..., 0]"),
    ],
)
def test_an_axis_of_channels_is_told_with_what_to_do(shape, axes, taken):
    with pytest.raises(ValueError, match="looks like") as error:
        check_no_channels(shape, name="a.npy")
    told = f"a.npy: the shape {shape} looks like ({axes}); take one channel, array{taken}"
    assert str(error.value).startswith(told)


@pytest.mark.parametrize(
    "shape", [(64, 64), (3, 64, 64), (10, 8, 64, 64), (2, 3, 4), (5, 2, 3, 4), (100, 64)]
)
def test_slices_pass(shape):
    check_no_channels(shape, name="a.npy")


def test_what_is_known_to_be_subvolumes_may_have_three_slices():
    check_no_channels((10, 3, 64, 64), name="a.npy", subvolumes=True)
    with pytest.raises(ValueError, match=r"looks like \(n, y, x, channel\)"):
        check_no_channels((10, 64, 64, 3), name="a.npy", subvolumes=True)
