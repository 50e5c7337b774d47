"""A model whose labels of fresh weights are spread, a volume, and suggestions of both."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mtneuro_seg import (
    Model,
    Suggestion,
    SuggestSettings,
    SweepSettings,
    TrainSettings,
    build_network,
    suggest,
)

NAMES = ("background", "vessels", "cells")


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def untrained() -> Callable[..., Model]:
    """Returns a small network whose labels are not all alike."""

    def made(name: str = "unet", **changes: object) -> Model:
        asked = {"model": name, "classes": 3, "filters": 4, "levels": 2, "image_type": "uint8", **changes}
        settings = TrainSettings.model_validate(asked)
        network = build_network(settings)
        generator = torch.Generator().manual_seed(7)
        for parameter in network.parameters():
            parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
        return Model(network=network.eval(), settings=settings, class_names=NAMES)

    return made


@pytest.fixture
def volume() -> np.ndarray:
    """Smooth noise ``(6, 40, 36)``."""
    rough = np.random.default_rng(1).normal(size=(6, 40, 36))
    for axis in range(3):
        rough = rough + np.roll(rough, 1, axis) + np.roll(rough, 2, axis)
    return ((rough - rough.min()) / np.ptp(rough) * 255).astype(np.uint8)


@pytest.fixture
def suggested(untrained, volume) -> Callable[..., tuple[Suggestion, ...]]:
    """Writes a folder of suggestions of two boxes, and returns them."""

    def made(out: Path, **more: Any) -> tuple[Suggestion, ...]:
        settings = {"boxes": 2, "size": (2, 16, 16), "strategy": "random", **more.pop("settings", {})}
        given: dict[str, Any] = {
            "voxel_size_um": (3.0, 2.0, 1.0),
            "model": untrained(),
            "volume": volume,
            **more,
        }
        return suggest(
            given.pop("model"),
            given.pop("volume"),
            out=out,
            settings=SuggestSettings.model_validate(settings),
            sweep=SweepSettings(window=(16, 16), batch_size=3),
            **given,
        )

    return made
