"""What shows the reference results shows those that are recorded: the README and the leaderboard."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mtneuro_suite.report.leaderboard import read_submissions, write_leaderboard
from mtneuro_suite.report.record import RECORD, read_record

ROOT = Path(__file__).parents[3]
RECORDS = ROOT / "benchmarks/mtneuro_suite/records"
NAMES = [path.parent.name for path in sorted(RECORDS.glob(f"*/{RECORD}"))]


def reference(root: Path, *arguments: str) -> tuple[int, str]:
    """Return the exit status and the output of the tool."""
    done = subprocess.run(
        [sys.executable, root / "tools/reference.py", *arguments], capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def test_the_readme_shows_what_is_recorded() -> None:
    assert reference(ROOT, "--check") == (0, "")


def test_an_edited_number_is_told_and_renewed(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/reference.py", tmp_path / "tools")
    for name in NAMES:
        page = Path("benchmarks/mtneuro_suite/records") / name / "README.md"
        (tmp_path / page).parent.mkdir(parents=True)
        shutil.copy(ROOT / page, tmp_path / page)
    text = (ROOT / "README.md").read_text("utf-8")
    block = text.index(f"<!-- of the record {NAMES[0]},")
    (tmp_path / "README.md").write_text(text[:block] + text[block:].replace(" 0.", " 1.", 1), "utf-8")
    assert reference(tmp_path, "--check") == (1, "README.md differs\n")
    assert reference(tmp_path) == (0, "README.md renewed\n")
    assert (tmp_path / "README.md").read_text("utf-8") == text


@pytest.mark.parametrize("name", NAMES)
def test_a_record_can_be_compared_with(name: str) -> None:
    assert read_record(name).rows


def test_the_leaderboard_is_of_the_submissions_that_are_kept(tmp_path: Path) -> None:
    kept = ROOT / "benchmarks/records"
    submissions = read_submissions([kept / "submissions"])
    write_leaderboard(submissions, tmp_path / "leaderboard.html")
    assert (tmp_path / "leaderboard.html").read_bytes() == (kept / "leaderboard.html").read_bytes()
    numbers = {one.name: {row.value for row in one.results.rows} for one in submissions}
    # Each record is among them, with the same numbers.
    for name in NAMES:
        assert {row.value for row in read_record(name).rows} == numbers[name]
