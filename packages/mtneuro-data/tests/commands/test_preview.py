from pathlib import Path
from typing import Any

from PIL import Image


def test_preview_draws_a_png(shell: Any, task_file: Path, tmp_path: Path) -> None:
    status, out, _ = shell("preview", task_file, "-o", tmp_path / "sheet.png")
    assert (status, out) == (0, f"2 cubes written to {tmp_path / 'sheet.png'}\n")
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.size == (210, 58)
