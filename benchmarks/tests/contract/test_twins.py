"""A shared module has one text in every package: ``tools/twins.py`` says where it has not."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def twins(root: Path, *arguments: str) -> tuple[int, str]:
    """Return the exit status and the output of the tool."""
    done = subprocess.run(
        [sys.executable, root / "tools/twins.py", *arguments], capture_output=True, text=True
    )
    return done.returncode, done.stdout


def test_copies_of_a_shared_module_are_equal_byte_by_byte() -> None:
    assert twins(ROOT, "--check") == (0, "")


def test_an_edited_copy_is_named_and_renewed(tmp_path: Path) -> None:
    tool = tmp_path / "tools/twins.py"
    original = tmp_path / "packages/mtneuro-data/src/mtneuro_data/_shared/words.py"
    copy = tmp_path / "benchmarks/mtneuro_suite/_shared/words.py"
    for path in (tool, original, copy):
        path.parent.mkdir(parents=True)
        shutil.copy(ROOT / path.relative_to(tmp_path), path)
    copy.write_text("edited")
    assert twins(tmp_path, "--check") == (1, "benchmarks/mtneuro_suite/_shared/words.py differs\n")
    assert twins(tmp_path) == (0, "benchmarks/mtneuro_suite/_shared/words.py renewed\n")
    assert copy.read_bytes() == original.read_bytes()
