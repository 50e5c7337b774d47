from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import TaskSpec, open_volume


def test_a_cutout_is_written_and_read_back(shell: Any, task: TaskSpec, tmp_path: Path) -> None:
    arguments = ["--z", "3:9", "--y", "10:60", "--labels", "-o", tmp_path / "box.nii.gz"]
    status, out, _ = shell("cutout", task.annotation, *arguments)
    assert (status, out.split(" uint64")[0]) == (0, "6 x 50 x 200")
    assert shell("info", tmp_path / "box.nii.gz")[0] == 0


def test_a_papers_cube_is_cut_by_its_name(shell: Any, tmp_path: Path) -> None:
    arguments = ["--cube", "A-CTX", "--z", "159:160", "-o", tmp_path / "ctx.tif"]
    status, out, _ = shell("cutout", "phantom://roi_labels", *arguments)
    assert (status, out.split(" uint8")[0]) == (0, "1 x 256 x 256")


@pytest.mark.parametrize("ending", ["npz", "tif", "zarr", "nii.gz"])
def test_what_nobody_knows_is_said_and_not_written(shell: Any, tmp_path: Path, ending: str) -> None:
    np.save(tmp_path / "a.npy", np.full((2, 300, 300), 70_000, np.uint32))
    status, out, _ = shell("cutout", tmp_path / "a.npy", "-o", tmp_path / f"b.{ending}")
    assert status == 0
    assert "as an image (if it holds labels: --labels), without a voxel size" in out
    assert open_volume(tmp_path / f"b.{ending}").voxel_size_um is None


def test_labels_are_what_the_storage_says(shell: Any, tmp_path: Path) -> None:
    shell("cutout", "phantom://roi_labels?shape=2,300,300", "-o", tmp_path / "a.zarr")
    assert open_volume(tmp_path / "a.zarr").kind == "annotation"
    status, out, _ = shell("cutout", tmp_path / "a.zarr", "-o", tmp_path / "b.zarr")
    assert (status, open_volume(tmp_path / "b.zarr").kind) == (0, "annotation")
    assert "image" not in out.replace(str(tmp_path), "")


def test_a_window_makes_grey_levels_of_a_cutout(shell: Any, tmp_path: Path) -> None:
    voxels = np.array([[[0, 100, 200, 4000]]], np.uint16)
    np.save(tmp_path / "wide.npy", voxels)
    words = ["cutout", tmp_path / "wide.npy", "--force", "-o", tmp_path / "grey.npy"]
    assert shell(*words, "--intensity", "0:200")[0] == 0
    assert np.load(tmp_path / "grey.npy").tolist() == [[[0, 128, 255, 255]]]
    assert shell(*words)[0] == 0
    np.testing.assert_array_equal(np.load(tmp_path / "grey.npy"), voxels)
    status, _, error = shell(*words, "--intensity", "1%:99%")
    assert (status, "--intensity takes numbers here" in error) == (2, True)
