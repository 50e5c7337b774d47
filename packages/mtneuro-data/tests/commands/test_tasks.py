import json
from pathlib import Path
from typing import Any

from mtneuro_data import read_task


def test_tasks_are_listed_and_shown(shell: Any, tmp_path: Path) -> None:
    status, out, _ = shell("tasks")
    assert (status, len(out.splitlines())) == (0, 8)
    _, out, _ = shell("tasks", "roi-c1", "--source", "phantom")
    shown = json.loads(out)
    assert shown["counts"] == {"train": 1080, "val": 120, "test": 200}
    assert shown["image"] == "phantom://image"


def test_a_shown_task_is_a_task_file(shell: Any, tmp_path: Path) -> None:
    _, out, _ = shell("tasks", "seg-2d-3class")
    values = json.loads(out)
    for key in ("counts", "touching", "fingerprint"):
        del values[key]
    (tmp_path / "own.json").write_text(json.dumps(values))
    assert read_task(tmp_path / "own.json").name == "seg-2d-3class"
