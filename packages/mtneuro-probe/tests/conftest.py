"""Files that the commands read, and the command line in this process."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mtneuro_probe import save_embeddings
from mtneuro_probe.cli import main


@pytest.fixture
def labels() -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.choice(np.array([0, 0, 0, 0, 1, 2, 3], np.uint8), size=(60, 24, 24))


@pytest.fixture
def export(tmp_path: Path, labels: np.ndarray) -> Path:
    """An export as mtneuro-data writes it."""
    np.savez(
        tmp_path / "images.npz",
        format_version=np.int64(1),
        images=labels * 50,
        masks=labels,
        region=np.repeat(np.int64([0, 1]), 30),  # pyright: ignore[reportArgumentType]
        sample_id=np.array([f"{cube}/z{z}" for cube in ("A-CTX", "A-STR") for z in range(110, 140)]),
        voxel_size_um=np.array([1.0, 2.0, 2.0]),
        region_names=np.array(["CTX", "STR"]),
        class_names=np.array(["background", "blood vessel", "cell", "axon"]),
    )
    return tmp_path / "images.npz"


@pytest.fixture
def embed(export: Path) -> Callable[..., None]:
    """Writes embeddings that hold each image's label fractions and noise."""

    def write(path: Path, dimensions: int = 3) -> None:
        with np.load(export) as archive:
            masks, ids = archive["masks"], archive["sample_id"]
        columns = [(masks == value).mean(axis=(1, 2)) for value in (1, 2, 3)]
        noise = np.random.default_rng(0).normal(size=(len(masks), dimensions - 3))
        save_embeddings(path, np.column_stack([*columns, noise]), sample_id=ids)

    return write


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command line in this process and returns its exit status."""

    def status(*words: object) -> int:
        monkeypatch.setattr(sys, "argv", ["mtneuro-probe", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return status
