"""The exact versions in pyproject.toml are of every library that the project names, within its range."""

import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]


def settings(path: Path) -> dict[str, Any]:
    """Return what a TOML file says."""
    return tomllib.loads(path.read_text())


def named(project: dict[str, Any]) -> list[str]:
    """Return every requirement of a project: its own, those of its extras and of its groups."""
    table = project["project"]
    lists = [*table.get("optional-dependencies", {}).values(), *project.get("dependency-groups", {}).values()]
    return [*table["dependencies"], *(name for names in lists for name in names)]


def test_every_library_has_a_version_within_its_range() -> None:
    root = settings(ROOT / "pyproject.toml")
    pins: dict[str, list[str]] = {}
    for line in root["tool"]["uv"]["constraint-dependencies"]:
        pin = Requirement(line)
        (bound,) = pin.specifier
        assert bound.operator == "==", line
        pins.setdefault(pin.name, []).append(bound.version)
    for project in (root, *(settings(path) for path in ROOT.glob("packages/*/pyproject.toml"))):
        for line in named(project):
            wanted = Requirement(line)
            if not wanted.name.startswith("mtneuro-"):
                assert pins[wanted.name], line
                assert all(wanted.specifier.contains(version) for version in pins[wanted.name]), line
