from pathlib import Path
from typing import Any


def test_correlation_reports_the_gap(shell: Any, task_file: Path, tmp_path: Path) -> None:
    status, out, _ = shell("correlation", task_file, "-o", tmp_path / "a.png")
    assert status == 0
    assert out.splitlines()[-1] == "leave 0 slices between train and test; the task leaves 10"
    assert (tmp_path / "a.png").stat().st_size > 1000
