"""Arrays of a few small images, written as an ``arrays`` run would."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import TaskArrays, builtin_task
from mtneuro_probe import PointClouds, save_embeddings, save_point_clouds

from mtneuro_suite.steps import GivenEmbeddings

REGIONS = ("CTX", "VP")
TASK = builtin_task("roi-c1").with_source("phantom")


@pytest.fixture
def arrays_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write images as an ``arrays`` run would: ``arrays_folder("train", images, region=…, masks=…)``."""

    def write(
        name: str,
        images: np.ndarray,
        *,
        region=None,
        masks=None,
        class_names=(),
        z=0,
        ids=None,
        instances=None,
        voxel_size_um=(1.0, 1.0, 1.0),
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        n = len(images)
        TaskArrays(
            images=images.astype(np.uint8),
            region=np.zeros(n, np.int64) if region is None else np.asarray(region, np.int64),
            masks=None if masks is None else masks.astype(np.uint8),
            sample_id=np.array(ids or [f"A-CTX/z{z + i}" for i in range(n)]),
            region_names=REGIONS,
            class_names=class_names,
            voxel_size_um=voxel_size_um,
            fingerprint="0" * 16,
            instances=instances,
        ).save(folder / "arrays.npz")
        return folder

    return write


@pytest.fixture
def dark_and_bright() -> tuple[np.ndarray, np.ndarray]:
    """Twelve noisy images of 32 x 32 pixels, every other one bright, and their regions: 1 where bright."""
    region = np.arange(12) % 2
    noise = np.random.default_rng(0).normal(60 + 120 * region[:, None, None], 8, (12, 32, 32))
    return noise.clip(0, 255).astype(np.uint8), region


@pytest.fixture
def clouds_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write clouds as a ``points`` run would: two regions, one with about three times as many cells."""

    def write(name: str, *, n: int = 24, z: int = 0, swapped: bool = False) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        rng = np.random.default_rng(z)
        region = np.arange(n) % 2
        for view, repeats in (("whole", 1), ("corners", 4)):
            points = np.zeros((repeats * n, 20, 4), np.float32)
            for cloud, where in zip(points, np.repeat(region, repeats), strict=True):
                count = (4, 13)[where] + rng.integers(4)
                places = rng.normal(0, 30, (count, 2))
                cloud[:count] = np.column_stack([rng.integers(1, 3, count), places, rng.gamma(9, 9, count)])
            ids = [f"A-CTX/z{z + i}" for i in range(n)]
            save_point_clouds(
                folder / f"{view}.npz",
                PointClouds(
                    points=points,
                    sample_id=np.array(
                        ids if repeats == 1 else [f"{i}/{c}" for i in ids for c in ("tl", "tr", "bl", "br")]
                    ),
                    class_names=("background", "vessel", "cell"),
                    region=np.repeat(1 - region if swapped else region, repeats),
                    region_names=REGIONS,
                ),
            )
        return folder

    return write


@pytest.fixture
def point_encoder(clouds_folder: Callable[..., Path], tmp_path: Path) -> Path:
    """Folder of an encoder that was trained on the clouds of ``clouds_folder("train")``."""
    from mtneuro_ssl import TrainSettings

    from mtneuro_suite.steps import PointEncoder

    settings = TrainSettings(
        method="supervised", encoder="deepsets", latent_dim=8, optimiser="adam", learning_rate=0.01,
        weight_decay=0, steps=60, batch_size=12, device="cpu",
    )  # fmt: skip
    out = tmp_path / "point_encoder"
    PointEncoder(train=settings).run({"train": [clouds_folder("train")]}, out, lambda *_: None)
    return out


@pytest.fixture
def arrays_run(arrays_folder: Callable[..., Path]) -> Callable[..., Path]:
    """Write images as an ``arrays`` run of the cube A-CTX would, with the run's settings."""

    def write(name: str, images: np.ndarray, **about: Any) -> Path:
        folder = arrays_folder(name, images, **about)
        task = TASK.replaced(
            splits={"all": ({"cubes": ("A-CTX",), "z": (0, 999)},)}, cubes={"A-CTX": TASK.cubes["A-CTX"]}
        )
        settings = {"task": task.model_dump(mode="json"), "files": {}}
        (folder / "result.json").write_text(json.dumps({"settings": settings}))
        return folder

    return write


@pytest.fixture
def given(tmp_path: Path) -> Callable[..., Path]:
    """Write embeddings as a run of a file would: ``given(embeddings, names)`` returns the folder."""

    def write(embeddings: np.ndarray, names: Sequence[str] | np.ndarray) -> Path:
        folder = tmp_path / "given"
        folder.mkdir()
        step = GivenEmbeddings(file=tmp_path / "mine.npz", digest="0")
        (folder / "result.json").write_text(json.dumps({"settings": step.model_dump(mode="json")}))
        save_embeddings(folder / "embeddings.npz", np.asarray(embeddings, np.float32), sample_id=names)
        return folder

    return write
