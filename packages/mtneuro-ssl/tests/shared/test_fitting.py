"""Images are scaled to a median and resampled to a pixel size."""

import numpy as np
import pytest
import torch
from mtneuro_ssl._shared.fitting import FittedInput, InputSettings, volume_median
from pydantic import ValidationError


def entrance(
    scale: tuple[float, float] = (1.0, 1.0), *, median: float | None = None, multiple: int = 1
) -> FittedInput:
    return FittedInput(scale=scale, multiple=multiple, level=0.5, median=median, mean=0.25, sd=0.5)


def normal(levels: torch.Tensor) -> torch.Tensor:
    return (levels - 0.25) / 0.5


def test_the_median_of_each_image_is_brought_to_the_level_in_proportion_from_black():
    levels = torch.tensor([[0.0, 0.2, 0.2, 0.4], [0.0, 0.8, 0.8, 0.9]]).reshape(2, 1, 2, 2)
    found = entrance()(normal(levels))
    wanted = torch.tensor([[0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 0.5625]]).reshape(2, 1, 2, 2)
    torch.testing.assert_close(found, normal(wanted))


def test_the_median_of_a_volume_is_taken_for_all_of_its_images():
    levels = torch.tensor([0.1, 0.2, 0.9]).reshape(3, 1, 1, 1).expand(3, 1, 2, 2)
    found = entrance(median=0.4)(normal(levels))
    torch.testing.assert_close(found, normal(torch.clamp(levels * 1.25, max=1)))


@pytest.mark.parametrize(
    ("scale", "multiple", "size", "inner"),
    [
        ((0.5, 2.0), 1, (10, 10), (5, 20)),
        ((0.5, 0.5), 16, (100, 256), (48, 128)),
        ((0.1, 0.1), 16, (20, 20), (16, 16)),
        ((1.04, 0.96), 1, (33, 7), (33, 7)),
        ((1.04, 0.96), 8, (33, 16), (32, 16)),
    ],
)
def test_images_are_resampled_to_the_nearest_size_that_fits(scale, multiple, size, inner):
    found = entrance(scale, multiple=multiple)(torch.ones(1, 1, *size))
    assert tuple(found.shape[2:]) == inner


def test_resampling_takes_means_and_does_not_pick_pixels():
    lines = torch.tensor([0.2, 0.8]).repeat(32).expand(1, 1, 64, 64)
    found = entrance((0.25, 0.25), median=0.5)(normal(lines)) * 0.5 + 0.25
    assert found.shape == (1, 1, 16, 16)
    assert (found - 0.5).abs().max() < 0.06


def test_the_median_of_a_volume_leaves_out_what_is_black():
    volume = np.zeros((40, 8, 8), np.uint8)
    volume[:, 2:4] = np.arange(1, 41, dtype=np.uint8)[:, None, None]
    assert volume_median(volume) == 21
    with pytest.raises(ValueError, match="must hold voxels above 0, got none in 9"):
        volume_median(np.zeros((40, 8, 8), np.uint8))


def test_pixel_sizes_are_checked():
    takes = InputSettings(pixel_size_um=2)
    assert takes.scale((5, 1, 2)) == (0.5, 1.0)
    for size, why in ((None, "no voxel size is stated"), ((1, 1, 2.1), "got pixels of 1 x 2.1 um")):
        with pytest.raises(ValueError, match=why):
            takes.scale(size)
    with pytest.raises(ValidationError):
        InputSettings(pixel_size_um=0)
