"""Bring your own encoder: copy this file, put your network in it, and run it for its row in the tables.

mtneuro run --encoder benchmarks/examples/tiny_encoder.py:encoder
"""

from torch import nn


def encoder() -> nn.Module:
    """Return a network from images ``(n, 1, y, x)`` to embeddings ``(n, features)``, its weights loaded."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 9, stride=4), nn.ReLU(), nn.Conv2d(32, 64, 5), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
