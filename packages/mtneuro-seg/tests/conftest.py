"""Files that the commands read, the command line in this process, small trainings, and a full disk."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mtneuro_seg import Model, TrainSettings, build_network
from mtneuro_seg.cli import main
from mtneuro_seg.loop import fit
from mtneuro_seg.schedule import Schedule
from mtneuro_seg.segmenter import Segmenter


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Labelled images as mtneuro-data exports them."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 16, 16), dtype=np.uint8)
    np.savez(
        tmp_path / "data.npz",
        format_version=1,
        images=images,
        masks=(images // 86).astype(np.uint8),
        voxel_size_um=np.array([1.17, 1.17, 1.17]),
        class_names=np.array(["background", "vessels", "cells"]),
        sample_id=np.array([f"A-CTX/z{z}" for z in range(110, 118)]),
    )
    return tmp_path / "data.npz"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The folder of a small network with the weights that it starts from."""
    settings = TrainSettings(classes=3, filters=4, levels=3)
    names = ("background", "vessels", "cells")
    Model(network=build_network(settings), settings=settings, class_names=names).save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command line in this process and returns its exit status."""

    def status(*words: object) -> int:
        monkeypatch.setattr(sys, "argv", ["mtneuro-seg", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return status


@pytest.fixture
def segmenter() -> Callable[..., Segmenter]:
    """Returns a small network with noise to learn: class 1 is what is brighter than the middle."""

    def new(**changes: object) -> Segmenter:
        small = {"model": "unet", "classes": 2, "filters": 2, "levels": 2, "epochs": 2, "batch_size": 4}
        settings = TrainSettings.model_validate(small | changes)
        images = np.random.default_rng(0).integers(0, 256, (8, 8, 8), dtype=np.uint8)
        return Segmenter(
            build_network(settings),
            settings,
            schedule=Schedule.of(len(images), settings),
            images=images,
            masks=images // 128,
            validation=(images[:2], images[:2] // 128),
        )

    return new


@pytest.fixture
def fitted() -> Callable[..., tuple[dict[str, float], ...]]:
    """Trains a segmenter with its resume point in a folder, and returns its history."""

    def history(module: Segmenter, folder: Path, **more: Any) -> tuple[dict[str, float], ...]:
        files = {"checkpoint": folder / "resume.ckpt", "best": folder / "best.safetensors"}
        return fit(module, device=torch.device("cpu"), **files, **more)

    return history


@pytest.fixture
def fill() -> Iterator[Callable[[float], None]]:
    """Let no file of this process grow beyond so many bytes; ``inf`` makes room again."""
    resource = pytest.importorskip("resource", reason="files are limited by POSIX's setrlimit")
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: float) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before if size == float("inf") else int(size), most))

    yield limit
    limit(float("inf"))
