from pathlib import Path
from typing import Any

from mtneuro_data import TaskSpec


def test_a_cutout_is_written_and_read_back(shell: Any, task: TaskSpec, tmp_path: Path) -> None:
    arguments = ["--z", "3:9", "--y", "10:60", "--labels", "-o", tmp_path / "box.nii.gz"]
    status, out, _ = shell("cutout", task.annotation, *arguments)
    assert (status, out.split(" uint64")[0]) == (0, "6 x 50 x 200")
    assert shell("info", tmp_path / "box.nii.gz")[0] == 0


def test_a_papers_cube_is_cut_by_its_name(shell: Any, tmp_path: Path) -> None:
    arguments = ["--cube", "A-CTX", "--z", "159:160", "-o", tmp_path / "ctx.tif"]
    status, out, _ = shell("cutout", "phantom://roi_labels", *arguments)
    assert (status, out.split(" uint8")[0]) == (0, "1 x 256 x 256")
