"""Arrays of a few small images, written as an ``arrays`` run would."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mtneuro_data import TaskArrays

REGIONS = ("CTX", "VP")


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
            voxel_size_um=(1.0, 1.0, 1.0),
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
