"""What others read of the project: how to cite it, and what each wheel says of itself."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml
from mtneuro_data import builtin_task, croissant_metadata
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
PACKAGES = ("mtneuro-data", "mtneuro-probe", "mtneuro-seg", "mtneuro-ssl")
SUITE = "mtneuro"


def settings(path: Path) -> dict[str, Any]:
    """Return the table ``[project]`` of a package."""
    return tomllib.loads(path.read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def citation() -> dict[str, Any]:
    """What CITATION.cff says."""
    return yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))


def test_the_citation_has_what_its_format_requires(citation: dict[str, Any]) -> None:
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] in ("software", "dataset")
    for entry in (citation, citation["preferred-citation"], *citation["references"]):
        assert entry["title"], entry
        assert entry["type"], entry
        assert entry["authors"], entry
        for author in entry["authors"]:
            person, entity = {"family-names", "given-names"}, {"name"}
            assert author.keys() in (person, entity), author
            assert all(isinstance(part, str) and part.strip() == part for part in author.values()), author
    assert citation["message"]
    assert len(citation["keywords"]) == len(set(citation["keywords"])) > 0


def test_the_citation_is_of_this_version_and_licence(citation: dict[str, Any]) -> None:
    root = settings(ROOT / "pyproject.toml")
    assert (citation["version"], citation["license"]) == (root["version"], root["license"])


def test_the_papers_to_cite_are_those_that_the_readme_names(citation: dict[str, Any]) -> None:
    text = " ".join((ROOT / "packages/mtneuro-data/README.md").read_text("utf-8").split())
    for entry in (citation["preferred-citation"], *citation["references"]):
        first = entry["authors"][0]["family-names"]
        assert re.search(rf"{first} et al\., \*{re.escape(entry['title'])}\* \([^)]*{entry['year']}", text), (
            first
        )


def test_identifiers_of_papers_are_well_formed(citation: dict[str, Any]) -> None:
    (data,) = citation["references"]
    # The journal, the last digits of the year, the article and a check character.
    doi = re.fullmatch(r"10\.1038/s41597-(\d{3})-\d{5}-[\dwxyz]", data["doi"])
    assert doi
    assert doi[1] == str(data["year"])[1:]
    (preprint,) = citation["preferred-citation"]["identifiers"]
    assert re.fullmatch(r"arXiv:\d{4}\.\d{5}", preprint["value"])


@pytest.fixture(scope="module", params=(*PACKAGES, SUITE))
def wheel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a package, built from this checkout."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("needs uv, to build wheels")
    folder = tmp_path_factory.mktemp("wheel")
    build = [uv, "build", "--quiet", "--wheel", "--package", request.param, "--out-dir", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def metadata(wheel: Path) -> tuple[Message, list[str]]:
    """Return what a wheel says of itself, and the names of its files."""
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        (file,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        return BytesParser().parsebytes(archive.read(file)), names


def test_a_wheel_says_who_made_it_what_it_is_about_and_where_to_read_more(wheel: Path) -> None:
    told, names = metadata(wheel)
    package = str(told["Name"])
    suite = package == SUITE
    project = settings(ROOT / ("pyproject.toml" if suite else f"packages/{package}/pyproject.toml"))
    assert told["Version"] == project["version"]
    assert told["Summary"] == project["description"]
    assert told["Author"] == "The MTNeuro suite contributors"
    assert told["License-Expression"] == "MIT"
    assert f"{wheel.name.split('-py3')[0]}.dist-info/licenses/LICENSE" in names
    assert f"{'mtneuro_suite' if suite else package.replace('-', '_')}/py.typed" in names
    keywords = str(told["Keywords"]).split(",")
    assert keywords == sorted(keywords, key=str.lower)
    assert {"MTNeuro", "brain", "neuroanatomy"} <= {*keywords}
    links = dict(str(link).split(", ") for link in told.get_all("Project-URL", []))
    assert set(links) == {"Original benchmark", "Paper", "Dataset"}
    assert all(address.startswith("https://") for address in links.values())
    # What the index shows as the page of the package.
    assert f"# {'MTNeuro suite' if suite else package}\n" in str(told.get_payload())


def test_a_wheel_names_the_systems_and_pythons_that_ci_tests(wheel: Path) -> None:
    told, _ = metadata(wheel)
    classes = [str(each) for each in told.get_all("Classifier", [])]
    assert len(set(classes)) == len(classes)
    workflow = (ROOT / ".github/workflows/ci.yml").read_text("utf-8")
    systems = {"macos": "MacOS", "windows": "Microsoft :: Windows", "ubuntu": "POSIX :: Linux"}
    if told["Name"] == SUITE:
        del systems["macos"], systems["windows"]  # the suite is tested where everything is
    for runner in systems:
        assert f"{runner}-latest" in workflow
    stated = {each.removeprefix("Operating System :: ") for each in classes if each.startswith("Operating")}
    assert stated == {*systems.values()}
    named = {each for each in classes if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", each)}
    (tested,) = re.findall(r"uv python install (.+)", workflow)
    assert {each.rpartition(" ")[2] for each in named} <= {*tested.split()}
    assert min(named, key=lambda each: int(each.rpartition(".")[2])).endswith(
        str(told["Requires-Python"]).removeprefix(">=")
    )


def test_links_of_all_packages_are_those_of_the_citation(wheel: Path, citation: dict[str, Any]) -> None:
    told, _ = metadata(wheel)
    links = dict(str(link).split(", ") for link in told.get_all("Project-URL", []))
    (preprint,) = citation["preferred-citation"]["identifiers"]
    assert links["Paper"].endswith(preprint["value"].removeprefix("arXiv:"))
    assert links["Original benchmark"] == citation["preferred-citation"]["url"]
    assert links["Dataset"] == citation["references"][0]["url"]


def test_a_wheel_holds_every_file_of_its_package_and_no_other(wheel: Path) -> None:
    told, names = metadata(wheel)
    package = str(told["Name"])
    root, module = (
        (ROOT / "benchmarks", "mtneuro_suite")
        if package == SUITE
        else (ROOT / "packages" / package / "src", package.replace("-", "_"))
    )
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", module]
    listed = subprocess.run(listing, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    wanted = {name for name in listed if (root / name).is_file()}
    held = {name for name in names if not name.endswith("/") and ".dist-info/" not in name}
    assert held == wanted
    assert not [name for name in held if "tests" in Path(name).parts or Path(name).name.startswith("test_")]


def test_the_suite_states_versions_of_the_packages_that_hold_those_of_the_workspace() -> None:
    lines = settings(ROOT / "pyproject.toml")["dependencies"]
    stated = {one.name: one.specifier for one in map(Requirement, lines)}
    for package in PACKAGES:
        version = settings(ROOT / f"packages/{package}/pyproject.toml")["version"]
        bounds = {bound.operator for bound in stated[package]}
        assert bounds == {">=", "<"}, f"{package}: a lowest version, and one that is too new"
        assert stated[package].contains(version), f"{package} {version}: tools/release.py widens the range"


def test_the_suite_states_every_library_that_it_imports() -> None:
    lines = settings(ROOT / "pyproject.toml")["dependencies"]
    stated = {Requirement(line).name.replace("-", "_") for line in lines}
    trees = [ast.parse(file.read_text("utf-8")) for file in (ROOT / "benchmarks/mtneuro_suite").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    others = {name.partition(".")[0] for name in imported} - {*sys.stdlib_module_names, "mtneuro_suite"}
    # Certificates are distributed's to make, if cryptography is there.
    assert {{"PIL": "pillow"}.get(name, name) for name in others} == stated - {"cryptography"}


def test_descriptions_of_tasks_name_the_same_papers_and_people(citation: dict[str, Any]) -> None:
    described = croissant_metadata(builtin_task("roi-c1"))
    entries = (citation["preferred-citation"], *citation["references"])
    people = dict.fromkeys(
        (author["family-names"], author["given-names"]) for entry in entries for author in entry["authors"]
    )
    assert [(each["familyName"], each["givenName"]) for each in described["creator"]] == [*people]
    bibtex = described["citeAs"].split("\n\n")
    for entry, cited in zip(entries, bibtex, strict=True):
        assert f"title = {{{{{entry['title']}}}}}" in cited
        assert f"year = {{{entry['year']}}}" in cited
        (authors,) = re.findall(r"author = \{(.+)\}", cited)
        assert authors.count(" and ") == len(entry["authors"]) - 1
    assert f"doi = {{{entries[1]['doi']}}}" in bibtex[1]
    assert described["url"] == entries[1]["url"]
