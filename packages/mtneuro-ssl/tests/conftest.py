"""A small encoder, so that most tests train in milliseconds, and what the tests of the commands share."""

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from mtneuro_ssl import cli

TINY = ["steps=2", "batch_size=4", "hidden=8", "projection=4", "latent_dim=6", "components=3", "device=cpu"]

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


def encoder_3d():
    return nn.Sequential(
        nn.Conv3d(1, 4, 3, stride=2, padding=1),
        nn.BatchNorm3d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(2),
        nn.Flatten(),
    )


def normless_3d():
    return nn.Sequential(
        nn.Conv3d(1, 4, 3, stride=2, padding=1),
        nn.GroupNorm(2, 4),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(2),
        nn.Flatten(),
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


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """An export of 8 images of 2 regions, as mtneuro-data writes it."""
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "images.npz",
        format_version=1,
        images=rng.integers(0, 256, (8, 16, 16), dtype=np.uint8),
        region=np.arange(8) % 2,
        region_names=np.array(["CTX", "STR"]),
        sample_id=np.array([f"A-CTX/z{110 + i}" for i in range(8)]),
    )
    return tmp_path / "images.npz"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs the command line in this process, and asserts its exit status."""

    def checked(*arguments: object, status: int = 0) -> None:
        monkeypatch.setattr(sys, "argv", ["mtneuro-ssl", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert stop.value.code == status

    return checked


@pytest.fixture
def tiny() -> Callable[..., list[str]]:
    """Makes the options of a training that takes milliseconds, with more settings behind them."""

    def options(*more: str) -> list[str]:
        return [part for change in (*TINY, *more) for part in ("--set", change)]

    return options
