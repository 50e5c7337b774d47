"""The recipes for conda and for a container state what pyproject.toml states, and what they copy is there."""

import re
import shlex
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[3]
PACKAGES = ("mtneuro-data", "mtneuro-probe", "mtneuro-seg", "mtneuro-ssl")
OTHER_NAMES = {
    "python-blosc": "blosc",
    "huggingface_hub": "huggingface-hub",
    "pytorch": "torch",
    "typing_extensions": "typing-extensions",
}


def settings(package: str) -> dict[str, Any]:
    """Return what a package's pyproject.toml says."""
    return tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text("utf-8"))


def recipe(package: str) -> dict[str, Any]:
    """Return the conda recipe of a package."""
    return yaml.safe_load((ROOT / "recipes" / "conda" / package / "recipe.yaml").read_text("utf-8"))


def versions(lines: list[str]) -> dict[str, SpecifierSet]:
    """Return the versions that a recipe asks for, by the names of Python's index."""
    found: dict[str, SpecifierSet] = {}
    for line in lines:
        name, _, allowed = line.partition(" ")
        found[OTHER_NAMES.get(name, name)] = SpecifierSet(allowed)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_a_conda_recipe_has_the_version_and_the_dependencies_of_its_package(package: str) -> None:
    stated, found = settings(package), recipe(package)
    project = stated["project"]
    assert found["package"] == {"name": project["name"], "version": project["version"]}
    python = {"python": SpecifierSet(project["requires-python"])}
    wanted = [Requirement(line) for line in project["dependencies"]]
    assert not [one for one in wanted if one.marker or one.extras], "conda has neither"
    assert versions(found["requirements"]["run"]) == python | {one.name: one.specifier for one in wanted}
    (backend,) = [Requirement(line) for line in stated["build-system"]["requires"]]
    host = versions(found["requirements"]["host"])
    assert host == python | {"pip": SpecifierSet(), backend.name.replace("_", "-"): backend.specifier}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_conda_recipe_builds_and_tries_what_is_there(package: str) -> None:
    found = recipe(package)
    source = ROOT / "recipes" / "conda" / package / found["source"]["path"]
    assert source.resolve() == ROOT / "packages" / package
    assert (source / found["about"]["license_file"]).is_file()
    scripts = settings(package)["project"]["scripts"]
    assert found["build"]["python"]["entry_points"] == [f"{name} = {at}" for name, at in scripts.items()]
    python, command = found["tests"]
    (module,) = python["python"]["imports"]
    assert (source / "src" / module / "__init__.py").is_file()
    assert command["script"] == [f"{name} --help" for name in scripts]


def test_conda_recipes_that_are_out_of_date_are_named_and_renewed(tmp_path: Path) -> None:
    tool = tmp_path / "tools" / "recipes.py"
    tool.parent.mkdir()
    tool.write_text((ROOT / "tools" / "recipes.py").read_text("utf-8"), "utf-8")
    for package in PACKAGES:
        text = (ROOT / "packages" / package / "pyproject.toml").read_text("utf-8")
        copy = tmp_path / "packages" / package / "pyproject.toml"
        copy.parent.mkdir(parents=True)
        copy.write_text(text.replace('version = "0.1.0"', 'version = "0.9.0"', 1), "utf-8")

    def told(*arguments: str) -> tuple[int, str]:
        ended = subprocess.run(
            [sys.executable, tool, *arguments], capture_output=True, text=True, check=False
        )
        return ended.returncode, ended.stdout + ended.stderr

    assert told("--chek")[0] == 2
    code, text = told("--check")
    assert code == 1
    assert text.count("differs") == len(PACKAGES)
    assert told()[1].count("renewed") == len(PACKAGES)
    assert told("--check") == (0, "")
    renewed = tmp_path / "recipes" / "conda" / "mtneuro-data" / "recipe.yaml"
    assert yaml.safe_load(renewed.read_text("utf-8"))["package"]["version"] == "0.9.0"


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile in order, each with its words."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines()]


def test_a_container_ends_without_the_rights_of_the_administrator(instructions) -> None:
    last = max(at for at, (name, _) in enumerate(instructions) if name == "FROM")
    final = dict(instructions[last:])
    assert final["USER"] == "mtneuro"
    assert f"useradd --create-home --uid 1000 {final['USER']}" in final["RUN"]
    after = [name for name, _ in instructions[last:]]
    assert after.index("RUN") < after.index("USER") < after.index("CMD")
    assert "ENTRYPOINT" not in final, "a command of any package may follow the image's name"


def test_a_container_is_for_cpus_unless_told_otherwise_and_has_the_stated_versions(instructions) -> None:
    assert ("ARG", "TORCH=cpu") in instructions
    (install,) = [words for _, words in instructions if "uv pip install" in words]
    words = shlex.split(install)
    assert words[words.index("--torch-backend") + 1] == "$TORCH"
    # By its table of constraints it also has the versions.
    assert words[words.index("--requirements") + 1] == "pyproject.toml"
    root = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert root["tool"]["uv"]["constraint-dependencies"]
    assert set(PACKAGES) <= {Requirement(line).name for line in root["project"]["dependencies"]}


def test_a_container_copies_what_is_there_and_is_let_through(instructions) -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    copied = [words.split()[:-1] for name, words in instructions if name == "COPY" and "--from" not in words]
    assert copied
    for name in chain.from_iterable(copied):
        assert (ROOT / name).exists(), name
        assert f"!{name}" in ignored, name
    suite = next(words for name, words in instructions if name == "COPY" and words.startswith("benchmarks"))
    (command,) = [words for name, words in instructions if name == "CMD"]
    assert f"{suite.split()[1]}/run_all.py" in command
    assert (ROOT / "benchmarks" / "run_all.py").is_file()


def test_a_container_has_a_python_that_every_package_names(instructions) -> None:
    (python,) = [words for name, words in instructions if name == "ARG" and words.startswith("PYTHON=")]
    for package in PACKAGES:
        project = settings(package)["project"]
        version = python.removeprefix("PYTHON=")
        assert SpecifierSet(project["requires-python"]).contains(version)
        assert f"Programming Language :: Python :: {version}" in project["classifiers"]
