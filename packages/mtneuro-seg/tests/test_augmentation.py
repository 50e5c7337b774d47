"""Augmentation: images and masks move together, and none loses its shape."""

import numpy as np
import pytest
import torch
from mtneuro_seg.augmentation import augmented, cropped


@pytest.mark.parametrize("size", [(6, 6), (4, 6), (3, 6, 6)])
def test_masks_move_with_their_images_and_keep_every_pixel(size):
    images = torch.arange(8 * int(np.prod(size)), dtype=torch.int64).reshape(8, *size).to(torch.uint8)
    moved, masks = augmented(images, images.clone(), generator=np.random.default_rng(0))
    assert moved.shape == images.shape
    assert torch.equal(moved, masks)
    assert torch.equal(moved.flatten(1).sort().values, images.flatten(1).sort().values)
    assert not torch.equal(moved, images)


def test_subvolumes_are_not_flipped_along_z():
    depth = torch.arange(4, dtype=torch.uint8)[None, :, None, None].expand(6, 4, 5, 5).contiguous()
    moved, _ = augmented(depth, depth, generator=np.random.default_rng(0))
    assert torch.equal(moved, depth)


@pytest.mark.parametrize("size", [(2, 3), (2, 4, 3)])
def test_windows_of_images_and_masks_are_the_same_and_reach_every_place(size):
    whole = (3,) * (len(size) - 2) + (4, 5)
    size = tuple(min(pair) for pair in zip(size, whole, strict=True))
    images = torch.arange(int(np.prod(whole))).reshape(1, *whole).expand(400, *whole)
    windows, masks = cropped(images, images, size, generator=np.random.default_rng(0))
    assert windows.shape == (400, *size)
    assert torch.equal(windows, masks)
    corners = windows.flatten(1)[:, 0].unique().tolist()
    places = np.ndindex(*(most - length + 1 for most, length in zip(whole, size, strict=True)))
    assert corners == [int(np.ravel_multi_index(place, whole)) for place in places]
    first = windows[0].flatten()[0].item()
    assert windows[0].flatten()[-1].item() - first == int(np.ravel_multi_index([n - 1 for n in size], whole))
