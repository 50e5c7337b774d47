"""A release changes each place that states a version, and is refused where anything is not ready."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("mtneuro-data", "mtneuro-probe", "mtneuro-seg", "mtneuro-ssl")

UV = """#!/bin/sh
for word; do folder=$word; done
mkdir -p "$folder" && touch "$folder/built.whl" && echo "uv $*"
"""
WHEELS = """#!/bin/sh
test ! -e refuse && echo "wheels $*"
"""


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout of what a release reads, of version 0.4.2, with stand-ins for uv and `.ci/wheels`."""
    root = tmp_path / "checkout"
    files = ["pyproject.toml", "CITATION.cff", "CHANGELOG.md", "tools/recipes.py", "tools/release.py"]
    files += [f"packages/{name}/{file}" for name in PACKAGES for file in ("pyproject.toml", "CHANGELOG.md")]
    files += [f"recipes/conda/{name}/recipe.yaml" for name in ("mtneuro", *PACKAGES)]
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, root / name)
    for project in (root / "pyproject.toml", *root.glob("packages/*/pyproject.toml")):
        text = re.sub(
            r'^version = ".*"$', 'version = "0.4.2"', project.read_text("utf-8"), flags=re.MULTILINE
        )
        text = re.sub(r'"(mtneuro-\w+)>=[^"]*"', r'"\1>=0.4,<0.5"', text)
        project.write_text(text, "utf-8")
        (project.parent / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n- New.\n\n## 0.4.2\n")
    citation = re.sub(
        r"^version: .*$", "version: 0.4.2", (root / "CITATION.cff").read_text(), flags=re.MULTILINE
    )
    (root / "CITATION.cff").write_text(citation)
    for name, text in (("bin/uv", UV), (".ci/wheels", WHEELS)):
        (root / name).parent.mkdir()
        (root / name).write_text(text)
        (root / name).chmod(0o755)
    (root / ".gitignore").write_text("dist/\n__pycache__/\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "before")
    return root


@pytest.fixture
def release(copy: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs the tool in the copy, and returns its exit status and what it said."""
    monkeypatch.setenv("PATH", str(copy / "bin"), prepend=":")

    def ran(*words: str) -> tuple[int, str]:
        command = [sys.executable, copy / "tools/release.py", *words]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return ran


def stated(project: Path) -> str:
    return tomllib.loads(project.read_text("utf-8"))["project"]["version"]


def test_a_package_is_released_and_the_suite_states_its_new_range(copy, release):
    code, said = release("mtneuro-seg", "0.5.0")
    assert code == 0, said
    assert stated(copy / "packages/mtneuro-seg/pyproject.toml") == "0.5.0"
    assert stated(copy / "packages/mtneuro-ssl/pyproject.toml") == "0.4.2"
    log = (copy / "packages/mtneuro-seg/CHANGELOG.md").read_text()
    assert re.search(r"^## 0\.5\.0 \(\d{4}-\d\d-\d\d\)\n\n- New\.", log, re.MULTILINE)
    assert '"mtneuro-seg>=0.5,<0.6"' in (copy / "pyproject.toml").read_text()
    assert '"mtneuro-ssl>=0.4,<0.5"' in (copy / "pyproject.toml").read_text()
    assert 'version: "0.5.0"' in (copy / "recipes/conda/mtneuro-seg/recipe.yaml").read_text()
    assert "mtneuro-seg >=0.5,<0.6" in (copy / "recipes/conda/mtneuro/recipe.yaml").read_text()
    dist = copy / "dist" / "mtneuro-seg-0.5.0"
    assert f"uv build --quiet --package mtneuro-seg --out-dir {dist}" in said
    assert f"wheels --from {dist} mtneuro-seg" in said
    for word in ("git tag mtneuro-seg-0.5.0", "uv publish dist/mtneuro-seg-0.5.0/*", "release it too"):
        assert word in said
    assert git(copy, "tag") == "", "tags are left to whoever releases"
    assert git(copy, "log", "--format=%s") == "before\n"


def test_the_suite_is_released_with_its_citation_and_a_small_release_moves_no_range(copy, release):
    assert release("mtneuro-seg", "0.4.3")[0] == 0
    assert '"mtneuro-seg>=0.4,<0.5"' in (copy / "pyproject.toml").read_text()
    git(copy, "commit", "--all", "--quiet", "--message", "Release mtneuro-seg 0.4.3")
    code, said = release("mtneuro", "0.5.0")
    assert code == 0, said
    assert stated(copy / "pyproject.toml") == "0.5.0"
    assert "\nversion: 0.5.0\n" in (copy / "CITATION.cff").read_text()
    assert "release it too" not in said


def test_what_would_be_done_is_told_and_nothing_is_changed(copy, release):
    code, said = release("mtneuro-seg", "0.5.0", "--check")
    assert code == 0
    assert 'packages/mtneuro-seg/pyproject.toml: version = "0.4.2"  ->  version = "0.5.0"' in said
    assert "## Unreleased  ->  ## 0.5.0 (" in said
    assert git(copy, "status", "--porcelain") == ""
    assert not (copy / "dist").exists()


def test_what_is_no_new_version_is_refused(copy, release):
    for words, message in (
        (("mtneuro-sg", "0.5.0"), "DISTRIBUTION is one of mtneuro, mtneuro-data"),
        (("mtneuro-seg",), "usage: release.py DISTRIBUTION VERSION"),
        (("mtneuro-seg", "0.4.1"), "not below 0.4.2, got '0.4.1'"),
        (("mtneuro-seg", "0.5"), "of the form 1.2.3"),
        (("mtneuro-seg", "0.4.2"), "CHANGELOG.md must not tell of 0.4.2 yet, and does"),
    ):
        code, said = release(*words)
        assert code == 2
        assert message in said
    assert git(copy, "status", "--porcelain") == ""


def test_a_release_of_nothing_new_or_of_uncommitted_changes_is_refused(copy, release):
    log = copy / "packages/mtneuro-seg/CHANGELOG.md"
    log.write_text("# Changelog\n\n## Unreleased\n\n## 0.4.2\n")
    assert "must say what is new under '## Unreleased'" in release("mtneuro-seg", "0.5.0")[1]
    code, said = release("mtneuro-ssl", "0.5.0")
    assert code == 2
    assert "all changes must be committed first, got 'M packages/mtneuro-seg/CHANGELOG.md'" in said


def test_a_wheel_that_fails_leaves_nothing_to_upload(copy, release):
    (copy / "refuse").touch()
    git(copy, "add", "refuse")
    git(copy, "commit", "--quiet", "--message", "refuse")
    code, said = release("mtneuro-seg", "0.5.0")
    assert code == 1
    assert ".ci/wheels failed; `git checkout .` takes the changes back" in said
    assert not (copy / "dist" / "mtneuro-seg-0.5.0").exists()
