"""Joint changes: what a mask says stays true of its image, and nothing moves further than asked."""

import numpy as np
import pytest
import torch
from mtneuro_seg import TransformSettings
from mtneuro_seg.transforms import transformed

SIZES = [(40, 48), (8, 40, 48)]


def ramp(size: tuple[int, ...], axis: int, count: int = 24) -> torch.Tensor:
    """Return images whose intensity is the place along an axis."""
    shape = [1] * len(size)
    shape[axis] = size[axis]
    return torch.arange(size[axis], dtype=torch.uint8).reshape(shape).expand(count, *size).contiguous()


def moved(size: tuple[int, ...], axis: int, **settings: float) -> tuple[torch.Tensor, torch.Tensor]:
    places = ramp(size, axis)
    chosen = TransformSettings(chance=1, **settings)
    images, masks = transformed(places, places, chosen, seed=3)
    assert images.shape == masks.shape == places.shape
    assert (images.dtype, masks.dtype) == (torch.float32, torch.uint8)
    return images, masks


def slopes(images: torch.Tensor, axis: int) -> torch.Tensor:
    """Return the change from pixel to pixel in the middle of each image, where nothing is mirrored."""
    for other in range(1, images.ndim):
        length = images.shape[other]
        if length > 8:
            images = images.narrow(other, length // 2 - 4, 8)
    return images.diff(dim=axis)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "settings",
    [{"rotation": 30}, {"zoom": 1.5}, {"shift": 0.2}, {"distortion": 0.3}, {"rotation": 20, "zoom": 1.2}],
    ids=str,
)
def test_each_pixel_of_the_mask_comes_from_where_its_image_does(size, settings):
    for axis in range(len(size)):
        images, masks = moved(size, axis, **settings)
        # The image says where a pixel comes from in parts of a pixel, the mask which pixel is nearest.
        assert (images - masks).abs().max() <= 0.501
        still = axis == 0 and len(size) == 3 and "distortion" not in settings
        assert torch.equal(images, ramp(size, axis).float()) == still


@pytest.mark.parametrize("size", SIZES)
def test_a_turn_keeps_lengths_and_stays_within_its_angle(size):
    y, x = len(size) - 2, len(size) - 1
    images, _ = moved(size, x, rotation=30)
    along, across = slopes(images, x + 1), slopes(images, y + 1)
    angle = torch.atan2(across.flatten(1).mean(1), along.flatten(1).mean(1)).rad2deg()
    assert angle.abs().max() <= 30.01
    assert angle.max() > 10
    assert angle.min() < -10
    lengths = along.flatten(1).mean(1) ** 2 + across.flatten(1).mean(1) ** 2
    torch.testing.assert_close(lengths, torch.ones(24), atol=1e-3, rtol=0)


def test_a_zoom_stretches_and_shrinks_by_up_to_its_factor():
    step = slopes(moved((40, 48), 0, zoom=1.5)[0], 1).flatten(1).mean(1)
    assert 1 / 1.5 - 1e-3 <= step.min() < 0.85
    assert 1.2 < step.max() <= 1.5 + 1e-3


def test_a_shift_moves_by_up_to_its_part_of_the_image():
    away = (moved((40, 48), 1, shift=0.25)[0] - ramp((40, 48), 1))[:, 20, 20:28].mean(dim=1)
    assert 6 < away.abs().max() <= 12.01
    assert away.min() < 0 < away.max()


def noise(count: int = 300) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(60, 180, (count, 12, 12), dtype=np.uint8))


def changed(**settings: float) -> tuple[torch.Tensor, torch.Tensor]:
    images = noise()
    masks = (images > 120).to(torch.uint8)
    seen, labels = transformed(images, masks, TransformSettings(**settings), seed=3)
    assert torch.equal(labels, masks)  # what varies intensities leaves the labels alone
    return images.float(), seen


def test_brightness_and_contrast_are_their_formulas():
    before, seen = changed(brightness=0.1, chance=1)
    added = (seen - before).flatten(1)
    torch.testing.assert_close(added, added[:, :1].expand_as(added), atol=1e-3, rtol=0)
    assert 23 < added.abs().max() <= 25.5
    before, seen = changed(contrast=0.4, chance=1)
    mean = before.mean(dim=(1, 2), keepdim=True)
    factor = ((seen - mean) / (before - mean)).flatten(1).nanmedian(dim=1).values
    torch.testing.assert_close(seen, mean + factor[:, None, None] * (before - mean), atol=1e-2, rtol=0)
    assert 0.6 <= factor.min() < 0.7
    assert 1.3 < factor.max() <= 1.4


def test_gamma_is_a_power_within_the_images_range():
    before, seen = changed(gamma=2, chance=1)
    low, high = (getattr(before.flatten(1), f"{end}")(dim=1).values[:, None, None] for end in ("min", "max"))
    share, found = (before - low) / (high - low), (seen - low) / (high - low)
    inside = (share > 0.2) & (share < 0.8)
    for number in range(len(before)):
        power = found[number][inside[number]].log() / share[number][inside[number]].log()
        assert float(power.max() - power.min()) < 0.01
        assert 0.499 <= float(power[0]) <= 2.001


def test_noise_is_as_strong_as_asked():
    before, seen = changed(noise=0.1, chance=1)
    spread = (seen - before).flatten(1).std(dim=1)
    assert 20 < spread.max() < 32  # up to 25.5


def test_each_image_has_its_chance_and_the_seed_decides():
    before, seen = changed(brightness=0.1)
    share = (seen != before).flatten(1).any(dim=1).float().mean()
    assert share == pytest.approx(0.5, abs=0.1)
    again = changed(brightness=0.1)[1]
    assert torch.equal(seen, again)
    other = transformed(noise(), noise(), TransformSettings(brightness=0.1), seed=4)[0]
    assert not torch.equal(seen, other)


def test_the_settings_know_whether_anything_is_changed():
    assert not TransformSettings().any
    assert not TransformSettings(chance=1).any
    assert not TransformSettings(chance=0, rotation=10).any
    assert TransformSettings(shift=0.1).any
