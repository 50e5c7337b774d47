"""What Lightning trains: a batch computed in parts."""

import numpy as np
import torch
from mtneuro_seg import TrainSettings
from mtneuro_seg.schedule import Schedule
from mtneuro_seg.segmenter import Segmenter


def test_a_batch_in_parts_has_the_gradient_of_the_whole_where_no_statistics_are_shared():
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16), dtype=np.uint8)
    masks = images // 128
    settings = TrainSettings(classes=2, batch_size=6)
    network = torch.nn.Conv2d(1, 2, 3, padding=1)
    segmenter = Segmenter(network, settings, schedule=Schedule.of(6, settings), images=images, masks=masks)
    whole = segmenter.loss(network(segmenter.images[:, None].float()), segmenter.masks)
    parts = [
        segmenter.loss(network(part[:, None].float()), truth) * len(part) / 6
        for part, truth in zip(segmenter.images.tensor_split(4), segmenter.masks.tensor_split(4), strict=True)
    ]
    torch.testing.assert_close(whole, torch.stack(parts).sum())
