from pathlib import Path
from typing import Any

import numpy as np
from mtneuro_data import TaskSpec


def test_a_fetched_task_is_exported(shell: Any, boss: Any, task: TaskSpec, tmp_path: Path) -> None:
    remote = task.with_source(
        {"image": "bossdb://lab/scan/image", "pixel_labels": "bossdb://lab/scan/labels"}
    )
    (tmp_path / "t.json").write_text(remote.model_dump_json())
    status, out, _ = shell("fetch", tmp_path / "t.json", "--split", "test")
    assert (status, out.split()[0]) == (0, "55,296")
    status, out, _ = shell(
        "export",
        tmp_path / "t.json",
        "--split",
        "test",
        "--downsample",
        "2",
        "--corners",
        "-o",
        tmp_path / "a.npz",
    )
    assert (status, out.split()[0]) == (0, "72")
    with np.load(tmp_path / "a.npz") as file:
        assert file["masks"].shape == (72, 8, 12)
