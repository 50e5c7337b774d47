from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import SplitPart, TaskSpec, load, open_task, save_volume


def test_a_cube_outside_the_volume_is_refused_before_reading(boss: Any, task: TaskSpec) -> None:
    far = task.with_source({"image": "bossdb://lab/scan/image", "pixel_labels": "bossdb://lab/scan/labels"})
    far = far.replaced(splits={"train": (SplitPart(cubes=("A-CTX", "A-STR"), z=(35, 41)),)})
    with pytest.raises(ValueError, match=r"cube A-CTX: z range must lie within \[0, 40\), got \[35, 41\)"):
        load(far, "train")
    assert boss.cutouts == []


def test_volumes_that_do_not_fit_are_refused(task: TaskSpec, tmp_path: Path) -> None:
    np.save(tmp_path / "wide.npy", np.zeros((40, 150, 200), np.uint16))
    np.save(tmp_path / "small.npy", np.zeros((40, 150, 100), np.uint8))
    np.save(tmp_path / "real.npy", np.zeros((40, 150, 200), np.float32))
    for changes, text in (
        (
            {"image": "wide"},
            r"must be uint8, got uint16 with values from 0 to 0; .* --intensity 0:0, or ",
        ),
        ({"annotation": "small"}, r"must have one shape .*\(40, 150, 100\)"),
        ({"annotation": "real"}, "must hold whole numbers, got float32"),
    ):
        paths = {key: str(tmp_path / f"{name}.npy") for key, name in changes.items()}
        with pytest.raises(ValueError, match=text):
            load(task.replaced(**paths), "train")


def test_both_volumes_of_a_task_are_opened(task: TaskSpec) -> None:
    image, labels = open_task(task)
    assert labels is not None
    assert (image.uri, labels.uri) == (task.image, task.annotation)


def test_a_voxel_size_that_is_not_the_volumes_is_refused_with_both(
    task: TaskSpec, volume: np.ndarray, tmp_path: Path
) -> None:
    big = np.zeros((40, 300, 400), np.uint8)
    save_volume(tmp_path / "image.zarr", big, voxel_size_um=(0.04, 0.01, 0.01))
    plain = task.replaced(kind="region", annotation=None, class_names=(), label_map={})
    for place, size, found in (
        ("image.zarr", (1.17, 1.17, 1.17), "0.04 x 0.01 x 0.01"),
        ("image.zarr", (0.04, 0.01, 0.0102), "0.04 x 0.01 x 0.01"),
        # A level is a volume of its own, with voxels of its own.
        ("image.zarr#1", (0.04, 0.01, 0.01), "0.04 x 0.02 x 0.02"),
    ):
        wrong = plain.replaced(image=str(tmp_path / place), voxel_size_um=size)
        told = " x ".join(f"{edge:g}" for edge in size)
        with pytest.raises(ValueError, match=rf"{found} µm \(z, y, x\), got {told} µm: leave it out"):
            open_task(wrong)
    assert open_task(plain.replaced(image=str(tmp_path / "image.zarr#1"), voxel_size_um=(0.04, 0.02, 0.02)))


def test_a_task_without_an_annotation_has_no_label_volume(task: TaskSpec) -> None:
    plain = task.replaced(kind="region", annotation=None, class_names=(), label_map={})
    assert open_task(plain)[1] is None


def test_only_the_boxes_of_the_splits_that_are_asked_for_are_checked(task: TaskSpec) -> None:
    far = task.replaced(splits={**task.splits, "test": (SplitPart(cubes=("A-CTX",), z=(35, 41)),)})
    assert open_task(far, ("train", "val"))[0].shape == (40, 150, 200)
    with pytest.raises(ValueError, match="cube A-CTX: z range must lie within"):
        open_task(far)
