from pathlib import Path
from typing import Any

import numpy as np
from mtneuro_data import TaskSpec


def test_fetch_then_export_then_the_cache(shell: Any, boss: Any, task: TaskSpec, tmp_path: Path) -> None:
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
    _, out, _ = shell("cache", "list")
    assert out.splitlines()[-1].startswith("2 channels")
    status, out, _ = shell("cache", "verify")
    assert (status, out) == (0, "0 damaged chunks\n")
    chunk = next(path for path in (tmp_path / "cache").rglob("c/*/*/*") if path.is_file())
    chunk.write_bytes(b"")
    status, out, _ = shell("cache", "verify")
    assert (status, out.splitlines()[0]) == (1, str(chunk))
    assert shell("cache", "clear", "bossdb://lab/scan/image")[1].startswith("1 channels removed")
    assert shell("cache", "clear")[1].startswith("1 channels removed")
