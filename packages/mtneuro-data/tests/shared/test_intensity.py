import numpy as np
import pytest
from mtneuro_data._shared.intensity import (
    Windowed,
    checked_levels,
    not_grey,
    parsed_levels,
    parsed_window,
    seen_range,
    windowed,
)


def plain(voxels: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the share of the window that each voxel reaches, in the plainest way."""
    return np.clip((voxels.astype(np.float64) - low) / (high - low), 0, 1)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", ">u2", "u4", "i8", "f4", "f8", ">f4"])
@pytest.mark.parametrize("window", [(0, 100), (-50.5, 60.25), (20, 21)])
def test_a_window_maps_every_type_alike(dtype: str, window: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    low = -100 if np.dtype(dtype).kind != "u" else 0
    voxels = rng.integers(low, 120, (3, 40, 50)).astype(dtype)[:, ::2, ::-1]
    found = windowed(voxels, window)
    assert found.dtype == np.uint8
    exact = 255 * plain(voxels, *window)
    assert np.abs(found - exact).max() <= 0.5 + 1e-3
    shares = windowed(voxels, window, "float32")
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares, plain(voxels, *window), atol=1e-5)


def test_large_whole_numbers_keep_their_last_digits() -> None:
    voxels = np.array([1 << 40, (1 << 40) + 1, (1 << 40) + 2], np.uint64)
    assert windowed(voxels, (float(1 << 40), float((1 << 40) + 2))).tolist() == [0, 128, 255]


def test_what_lies_beyond_the_window_is_black_or_white_and_nan_is_refused() -> None:
    voxels = np.array([-np.inf, -1, 0.5, 2, np.inf], np.float32)
    assert windowed(voxels, (0, 1)).tolist() == [0, 0, 128, 255, 255]
    with pytest.raises(ValueError, match="got NaN: fill them first"):
        windowed(np.array([0, np.nan]), (0, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4095", r"must read LO:HI, such as 0:4095 or 0\.5%:99\.5%, got '4095'"),
        ("9:1", r"lower intensity must be less than the higher, got 9\.0:1\.0"),
        ("1:1", "lower intensity must be less"),
        ("a:9", r"numbers, or percentiles such as \"0\.5%\", got 'a'"),
        ("0:inf", "must be numbers"),
        ("1%:101%", "a percentile must lie within 0% and 100%, got 101%"),
        ("99%:1%", "lower intensity must be less than the higher, got 99%:1%"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parsed_levels(text)


def test_a_number_and_a_percentile_go_together_but_a_window_takes_numbers() -> None:
    assert parsed_levels("0:99.5%") == (0.0, "99.5%")
    assert checked_levels((3, 7)) == (3, 7)
    assert parsed_window("-5:1e3") == (-5.0, 1000.0)
    with pytest.raises(ValueError, match="takes numbers here, got '1%:9'"):
        parsed_window("1%:9")


def test_a_volume_is_mapped_where_it_is_sliced() -> None:
    voxels = np.arange(24, dtype=np.uint16).reshape(2, 3, 4) * 100
    grey = Windowed(voxels, (0, 2300))
    assert (grey.shape, grey.dtype, grey.ndim, len(grey), grey.chunks) == ((2, 3, 4), np.uint8, 3, 2, None)
    whole = windowed(voxels, (0, 2300))
    np.testing.assert_array_equal(grey[1, 1:], whole[1, 1:])
    np.testing.assert_array_equal(np.asarray(grey), whole)


def test_a_refusal_names_the_values_seen_and_the_option() -> None:
    voxels = np.full((4, 2, 2), 7, np.float32)
    voxels[2, 0] = np.nan, -1.5
    told = not_grey("em.zarr", voxels.dtype, lambda: seen_range(voxels), hint="a window of [{low}, {high}]")
    assert told == (
        "em.zarr: an image must be uint8, got float32 with values from -1.5 to 7; say which become black and "
        "white: --intensity -1.5:7, or a window of [-1.5, 7]"
    )
