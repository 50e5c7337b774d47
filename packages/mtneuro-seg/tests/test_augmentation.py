"""Augmentation: images and masks move together, and none loses its shape."""

import numpy as np
import pytest
import torch
from mtneuro_seg.augmentation import augmented


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
