"""A small encoder of a user's own, so that most tests train in no time."""

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = """
import torch
from torch import nn


def encoder():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
    )


def normless():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2), nn.GroupNorm(2, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    )


def perceptron():
    return nn.Sequential(nn.Linear(20, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 8))


class Constant(nn.Module):
    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.ones(1, 8))

    def forward(self, images):
        return self.value + 1e-5 * images.mean(dim=(1, 2, 3))[:, None]


def constant():
    return Constant()


def image_to_image():
    return nn.Conv2d(1, 1, 3)


number = 3
"""


@pytest.fixture(scope="session", autouse=True)
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make ``tiny_lab`` importable here; a child process needs the folder on its PYTHONPATH."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "tiny_lab.py").write_text(textwrap.dedent(SOURCE))
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
