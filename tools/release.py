"""Release a package or the suite: ``uv run tools/release.py mtneuro-seg 0.2.0``.

It sets the version where it stands, dates the changelog, moves the range that the suite states if it must,
renews the conda recipes, builds wheel and sdist, and tries them in an empty environment. It then says what to
commit, tag and upload: it does none of that itself. With ``--check`` it only says what it would do.
"""

import datetime as dt
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

import recipes

ROOT = Path(__file__).parent.parent
USAGE = "usage: release.py DISTRIBUTION VERSION [--check]"
UNRELEASED = re.compile(r"^## Unreleased\n(?P<told>.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)


def texts(distribution: str, version: str, *, today: str) -> dict[Path, str]:
    """Return the files that a release changes, with their new texts; conda recipes are made of these.

    Raises
    ------
    ValueError
        If the version is not a new one, or the changelog has nothing new.
    """
    changed: dict[Path, str] = {}
    folder = recipes.folder(distribution)
    project = folder / "pyproject.toml"
    standing = tomllib.loads(project.read_text("utf-8"))["project"]["version"]
    if not re.fullmatch(r"\d+\.\d+\.\d+", version) or Version(version) < Version(standing):
        raise ValueError(f"the version must be of the form 1.2.3 and not below {standing}, got {version!r}")
    changed[project] = _replaced(project, f'\nversion = "{standing}"\n', f'\nversion = "{version}"\n')

    log = folder / "CHANGELOG.md"
    found = UNRELEASED.search(log.read_text("utf-8"))
    if found is None or not found["told"].strip():
        raise ValueError(
            f"{log.relative_to(ROOT)} must say what is new under '## Unreleased', and says nothing"
        )
    if re.search(rf"^## {re.escape(version)}\b", log.read_text("utf-8"), re.MULTILINE):
        raise ValueError(f"{log.relative_to(ROOT)} must not tell of {version} yet, and does")
    changed[log] = _replaced(log, "## Unreleased\n", f"## {version} ({today})\n")

    if distribution == recipes.SUITE:
        citation = ROOT / "CITATION.cff"
        changed[citation] = _replaced(citation, f"\nversion: {standing}\n", f"\nversion: {version}\n")
    else:
        suite = ROOT / "pyproject.toml"
        stated = re.search(rf'"{distribution}(?P<range>[<>=][^"]*)"', suite.read_text("utf-8"))
        if stated is None:
            raise ValueError(f"pyproject.toml must state a range of {distribution}, as in '>=0.1,<0.2'")
        if not SpecifierSet(stated["range"]).contains(version):
            changed[suite] = _replaced(suite, stated[0], f'"{distribution}{range_of(version)}"')
    return changed


def range_of(version: str) -> str:
    """Return the versions that may be taken for one without a change that users must follow.

    Examples
    --------
    >>> range_of("0.2.1"), range_of("1.4.0")
    ('>=0.2,<0.3', '>=1.4,<2')
    """
    major, minor, _ = version.split(".")
    return f">={major}.{minor},<{f'0.{int(minor) + 1}' if major == '0' else int(major) + 1}"


def _replaced(path: Path, old: str, new: str) -> str:
    text = path.read_text("utf-8")
    if text.count(old) != 1:
        raise ValueError(
            f"{path.relative_to(ROOT)} must hold {old.strip()!r} once, and holds it {text.count(old)} times"
        )
    return text.replace(old, new)


def differences(path: Path, new: str) -> list[str]:
    """Return the lines that change in a file, as a person reads them."""
    before, after = path.read_text("utf-8").splitlines(), new.splitlines()
    pairs = zip(before, after, strict=True)
    return [f"{path.relative_to(ROOT)}: {old.strip()}  ->  {new.strip()}" for old, new in pairs if old != new]


def run(*command: str | Path) -> None:
    """Run a command in the root; what it says is shown."""
    sys.stdout.write(f"$ {' '.join(map(str, command))}\n")
    sys.stdout.flush()
    subprocess.run(command, cwd=ROOT, check=True)


def release(distribution: str, version: str, *, check: bool) -> int:
    """Prepare a release, or say what would be done."""
    changed = texts(distribution, version, today=dt.datetime.now(dt.UTC).date().isoformat())
    name = f"{distribution}-{version}"
    dist = ROOT / "dist" / name
    if not check:
        # What a release holds must be what its tag holds.
        status = subprocess.run(
            ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        if status:
            raise ValueError(f"all changes must be committed first, got {status.splitlines()[0].strip()!r}")
        if dist.exists():
            raise ValueError(f"{dist.relative_to(ROOT)} is there already: remove it first")
    for path, text in changed.items():
        for line in differences(path, text):
            sys.stdout.write(line + "\n")
        if not check:
            path.write_text(text, "utf-8")
    if check:
        sys.stdout.write(f"then: recipes are renewed, wheel and sdist built into dist/{name} and tried\n")
        return 0
    recipes.renew(recipes.differing())
    try:
        # The wheel is made of the sdist, so that this, too, is seen to be whole.
        run("uv", "build", "--quiet", "--package", distribution, "--out-dir", dist)
        run(".ci/wheels", "--from", dist, distribution)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(dist, ignore_errors=True)
        sys.stderr.write(f"release.py: {error.cmd[0]} failed; `git checkout .` takes the changes back\n")
        return 1
    sys.stdout.write(f"""
{name} is built and tried. What is left is yours:
  git commit --all --message "Release {distribution} {version}" && git tag {name}
  git push origin HEAD {name}
  uv publish dist/{name}/*
""")
    if ROOT / "pyproject.toml" in changed and distribution != recipes.SUITE:
        sys.stdout.write(
            f"mtneuro states {distribution}{range_of(version)} from its next release on: release it too.\n"
        )
    return 0


def main() -> int:
    """Take the words that were typed."""
    words = [word for word in sys.argv[1:] if word != "--check"]
    known = (recipes.SUITE, *recipes.PACKAGES)
    if len(words) != 2 or words[0] not in known:
        sys.stderr.write(
            f"{USAGE}, where DISTRIBUTION is one of {', '.join(known)}; got: {' '.join(sys.argv[1:])}\n"
        )
        return 2
    try:
        return release(*words, check="--check" in sys.argv[1:])
    except ValueError as error:
        sys.stderr.write(f"release.py: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
