"""The recipes for conda and for a container state what pyproject.toml states, and what they copy is there."""

import json
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
from rattler_build import RecipeParseError, Stage0Recipe, VariantConfig

ROOT = Path(__file__).parents[3]
PACKAGES = ("mtneuro-data", "mtneuro-probe", "mtneuro-seg", "mtneuro-ssl")
DISTRIBUTIONS = ("mtneuro", *PACKAGES)
OTHER_NAMES = {
    "python-blosc": "blosc",
    "huggingface_hub": "huggingface-hub",
    "pytorch": "torch",
    "typing_extensions": "typing-extensions",
}


def folder(distribution: str) -> Path:
    """Return where a distribution's pyproject.toml lies."""
    return ROOT if distribution == "mtneuro" else ROOT / "packages" / distribution


def settings(distribution: str) -> dict[str, Any]:
    """Return what a distribution's pyproject.toml says."""
    return tomllib.loads((folder(distribution) / "pyproject.toml").read_text("utf-8"))


def recipe_text(package: str) -> str:
    """Return the conda recipe of a package as it is written."""
    return (ROOT / "recipes" / "conda" / package / "recipe.yaml").read_text("utf-8")


def recipe(package: str) -> dict[str, Any]:
    """Return the conda recipe of a package."""
    return yaml.safe_load(recipe_text(package))


def versions(lines: list[str]) -> dict[str, SpecifierSet]:
    """Return the versions that a recipe asks for, by the names of Python's index."""
    found: dict[str, SpecifierSet] = {}
    for line in lines:
        name, _, allowed = line.partition(" ")
        found[OTHER_NAMES.get(name, name)] = SpecifierSet(allowed)
    return found


@pytest.mark.parametrize("package", DISTRIBUTIONS)
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


@pytest.mark.parametrize("package", DISTRIBUTIONS)
def test_a_conda_recipe_builds_and_tries_what_is_there(package: str) -> None:
    found = recipe(package)
    source = ROOT / "recipes" / "conda" / package / found["source"]["path"]
    assert source.resolve() == folder(package)
    assert (source / found["about"]["license_file"]).is_file()
    scripts = settings(package)["project"]["scripts"]
    assert found["build"]["python"]["entry_points"] == [f"{name} = {at}" for name, at in scripts.items()]
    python, command = found["tests"]
    (module,) = python["python"]["imports"]
    root = settings(package)["tool"]["uv"]["build-backend"]["module-root"] if package == "mtneuro" else "src"
    assert (source / root / module / "__init__.py").is_file()
    assert command["script"] == [f"{name} --help" for name in scripts]


@pytest.mark.parametrize("package", DISTRIBUTIONS)
def test_condas_builder_reads_a_recipe_whole(package: str) -> None:
    (built,) = Stage0Recipe.from_yaml(recipe_text(package)).render(VariantConfig())
    made, written = built.recipe.to_dict(), recipe(package)
    assert made["package"] == written["package"]
    assert made["build"]["noarch"] == "python"
    assert len(made["requirements"]["run"]) == len(written["requirements"]["run"])
    assert len(made["tests"]) == 2


def test_condas_builder_refuses_a_key_that_it_does_not_know() -> None:
    with pytest.raises(RecipeParseError):
        Stage0Recipe.from_yaml(recipe_text("mtneuro").replace("noarch:", "no-arch:"))


def test_conda_recipes_that_are_out_of_date_are_named_and_renewed(tmp_path: Path) -> None:
    tool = tmp_path / "tools" / "recipes.py"
    tool.parent.mkdir()
    tool.write_text((ROOT / "tools" / "recipes.py").read_text("utf-8"), "utf-8")
    for package in DISTRIBUTIONS:
        text = (folder(package) / "pyproject.toml").read_text("utf-8")
        copy = tmp_path / folder(package).relative_to(ROOT) / "pyproject.toml"
        copy.parent.mkdir(parents=True, exist_ok=True)
        newer = re.sub(r'^version = ".*"$', 'version = "99.0.0"', text, count=1, flags=re.MULTILINE)
        copy.write_text(newer, "utf-8")

    def told(*arguments: str) -> tuple[int, str]:
        ended = subprocess.run(
            [sys.executable, tool, *arguments], capture_output=True, text=True, check=False
        )
        return ended.returncode, ended.stdout + ended.stderr

    assert told("--chek")[0] == 2
    code, text = told("--check")
    assert code == 1
    assert text.count("differs") == len(DISTRIBUTIONS)
    assert told()[1].count("renewed") == len(DISTRIBUTIONS)
    assert told("--check") == (0, "")
    renewed = tmp_path / "recipes" / "conda" / "mtneuro-data" / "recipe.yaml"
    assert yaml.safe_load(renewed.read_text("utf-8"))["package"]["version"] == "99.0.0"


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
    # All that were built; the table of constraints in the folder's pyproject.toml has the versions.
    assert "/wheels/*.whl" in words
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
    assert settings("mtneuro")["project"]["readme"] in {*chain.from_iterable(copied)}
    (command,) = [words for name, words in instructions if name == "CMD"]
    assert json.loads(command)[0] in settings("mtneuro")["project"]["scripts"]


def test_a_container_has_a_python_that_every_package_names(instructions) -> None:
    (python,) = [words for name, words in instructions if name == "ARG" and words.startswith("PYTHON=")]
    for package in PACKAGES:
        project = settings(package)["project"]
        version = python.removeprefix("PYTHON=")
        assert SpecifierSet(project["requires-python"]).contains(version)
        assert f"Programming Language :: Python :: {version}" in project["classifiers"]
