"""The walk-throughs in ``docs/extend`` are followed: what they add to a copy works by its name."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs/extend").glob("*.md"))
BLOCK = re.compile(r"```(python|diff)\n(.*?)```", re.DOTALL)
PLACE = re.compile(r"`(packages/[^`]+\.py)`")


def changed(text: str, diff: str) -> str:
    """Return a text with the lines of a diff in place of those that it names, which must stand there once."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    assert text.count(before) == 1, f"must stand once in the file:\n{before}"
    return text.replace(before, "".join(line[1:] for line in lines if line[0] != "-"))


def followed(page: str, root: Path) -> list[Path]:
    """Write a page's files and make its changes, each where the page says last, and return their paths."""
    written: list[Path] = []
    for block in BLOCK.finditer(page):
        path = root / PLACE.findall(page, 0, block.start())[-1]
        kind, text = block.groups()
        if kind == "python":
            assert not path.exists(), f"{path} is there already"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        else:
            path.write_text(changed(path.read_text(), text))
        written.append(path)
    return written


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_walk_through_adds_works_by_its_name(page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    (package,) = {place.split("/")[1] for place in PLACE.findall(text)}
    source = tmp_path / f"packages/{package}/src"
    shutil.copytree(ROOT / f"packages/{package}/src", source, ignore=shutil.ignore_patterns("__pycache__"))
    module, *_, test = followed(text, tmp_path)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {source}\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--doctest-modules",
        module,
        test,
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    style = [sys.executable, "-m", "ruff", "check", "--config", ROOT / "pyproject.toml", module, test]
    done = subprocess.run(style, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
