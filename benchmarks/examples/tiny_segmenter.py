"""Bring your own segmentation network: copy this file, put your network in it, and run it for its row.

mtneuro run --segmenter benchmarks/examples/tiny_segmenter.py:segmenter
"""

from torch import nn


def segmenter(*, classes: int) -> nn.Module:
    """Return a network from images ``(n, 1, y, x)`` to class scores ``(n, classes, y, x)``."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 7, padding=3),
        nn.ReLU(),
        nn.Conv2d(16, 16, 7, padding=3),
        nn.ReLU(),
        nn.Conv2d(16, classes, 1),
    )
