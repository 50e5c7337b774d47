"""What others read of the project: how to cite it, and what each wheel says of itself."""

import re
import shutil
import subprocess
import tomllib
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml
from mtneuro_data import builtin_task, croissant_metadata

ROOT = Path(__file__).parents[3]
PACKAGES = ("mtneuro-data", "mtneuro-probe", "mtneuro-seg", "mtneuro-ssl")


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


@pytest.fixture(scope="module", params=PACKAGES)
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
    project = settings(ROOT / f"packages/{package}/pyproject.toml")
    assert told["Version"] == project["version"]
    assert told["Summary"] == project["description"]
    assert told["Author"] == "The MTNeuro suite contributors"
    assert told["License-Expression"] == "MIT"
    assert f"{wheel.name.split('-py3')[0]}.dist-info/licenses/LICENSE" in names
    assert f"{package.replace('-', '_')}/py.typed" in names
    keywords = str(told["Keywords"]).split(",")
    assert keywords == sorted(keywords, key=str.lower)
    assert {"MTNeuro", "brain", "neuroanatomy"} <= {*keywords}
    links = dict(str(link).split(", ") for link in told.get_all("Project-URL", []))
    assert set(links) == {"Original benchmark", "Paper", "Dataset"}
    assert all(address.startswith("https://") for address in links.values())
    # What the index shows as the page of the package.
    assert f"# {package}\n" in str(told.get_payload())


def test_a_wheel_names_the_systems_and_pythons_that_ci_tests(wheel: Path) -> None:
    told, _ = metadata(wheel)
    classes = [str(each) for each in told.get_all("Classifier", [])]
    assert len(set(classes)) == len(classes)
    workflow = (ROOT / ".github/workflows/ci.yml").read_text("utf-8")
    systems = {"macos": "MacOS", "windows": "Microsoft :: Windows", "ubuntu": "POSIX :: Linux"}
    for runner, system in systems.items():
        assert f"{runner}-latest" in workflow
        assert f"Operating System :: {system}" in classes
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
