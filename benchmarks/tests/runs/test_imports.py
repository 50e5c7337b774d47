"""Edits of real modules, which are told to the reader and not to the disk."""

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from mtneuro_suite.plan.plan import Plan, plan_of
from mtneuro_suite.preset.model import Preset, read_preset
from mtneuro_suite.runs import run as run_module
from mtneuro_suite.runs.imports import PACKAGES, SOURCES, Sources, package_folder
from mtneuro_suite.runs.run import Run, with_needs

IRRELEVANT = (
    "cli",
    "commands",
    "serving",
    "report",
    "figures",
    "execute",
    "plan",
    "preset",
    "server",
    "handler",
)
"""Rooms and modules that no step may reach: what they do changes no result."""


@pytest.fixture(scope="module")
def smoke() -> Plan:
    values = read_preset("smoke").model_dump(exclude_unset=True)
    values["task1"]["methods"] = ["supervised", "byol", "myow", "pca", "untrained"]
    return plan_of(Preset.model_validate(values))


def file_of(module: str) -> Path:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def named(runs: list[Run], sources: Sources, monkeypatch) -> dict[str, str]:
    """Return the names of the runs by title, as they would be with these sources."""
    monkeypatch.setattr(run_module, "SOURCES", sources)
    fresh: dict[str, Run] = {}
    for run in runs:
        needs = {role: tuple(fresh[need.title] for need in needs) for role, needs in run.needs.items()}
        fresh[run.title] = replace(run, needs=needs)
    return {title: run.id for title, run in fresh.items()}


def renamed(runs: list[Run], edited: Path, monkeypatch) -> set[str]:
    """Return the titles of the runs whose names change if a comment is added to a file."""

    def read(path: Path) -> str:
        return path.read_text(encoding="utf-8") + ("\n# edited\n" if path == edited else "")

    before, after = (named(runs, sources, monkeypatch) for sources in (SOURCES, Sources(read)))
    return {title for title in before if before[title] != after[title]}


def and_what_needs_them(runs: list[Run], titles: set[str]) -> set[str]:
    """Return the titles, and those of runs that need such a run."""
    found = set(titles)
    for run in runs:
        if any(need.title in found for need in run.needed):
            found.add(run.title)
    return found


def of_kind(runs: list[Run], *kinds: str) -> set[str]:
    return {run.title for run in runs if run.step.kind in kinds}


def modules(package: str) -> Iterator[str]:
    """Yield the full name of every module of a package."""
    root = package_folder(package)
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        yield ".".join((package, *(parts[:-1] if parts[-1] == "__init__" else parts)))


def irrelevant(module: str) -> bool:
    return any(part in IRRELEVANT or "figure" in part for part in module.split(".")[1:])


def test_no_step_reaches_a_command_line_a_server_a_figure_or_the_report(smoke):
    reached = {
        module
        for run in smoke.runs
        for module in SOURCES.reached((type(run.step).__module__, *run.step.executed_modules()))
    }
    assert {module for module in reached if irrelevant(module)} == set()
    # Every package has modules of that sort, so that the list above says something.
    assert {module.partition(".")[0] for p in PACKAGES for module in modules(p) if irrelevant(module)} == set(
        PACKAGES
    )


@pytest.mark.parametrize(
    "module",
    [
        "mtneuro_suite.cli",
        "mtneuro_suite.commands.run",
        "mtneuro_suite.report.html",
        "mtneuro_suite.execute.engine",
        "mtneuro_ssl.cli",
        "mtneuro_seg.cli",
        "mtneuro_data.serving.server",
        "mtneuro_ssl.methods.vicreg",
    ],
)
def test_an_edit_of_what_no_run_executes_renames_none(smoke, monkeypatch, module):
    assert renamed(smoke.runs, file_of(module), monkeypatch) == set()


def test_an_edit_of_a_method_renames_its_runs_and_what_needs_them(smoke, monkeypatch):
    own = {run.title for run in smoke.encoders if run.step.train.method == "pca"}
    expected = and_what_needs_them(smoke.runs, own)
    assert {title.partition(" ")[0] for title in expected} == {"train", "score", "read"}
    assert renamed(smoke.runs, file_of("mtneuro_ssl.methods.pca"), monkeypatch) == expected


def test_an_edit_of_a_step_renames_its_kind_and_what_needs_it(smoke, monkeypatch):
    for kind in ("arrays", "encoder", "regions", "segmenter", "features", "semantics", "umap"):
        expected = and_what_needs_them(smoke.runs, of_kind(smoke.runs, kind))
        assert renamed(smoke.runs, file_of(f"mtneuro_suite.steps.{kind}"), monkeypatch) == expected, kind


def test_an_edit_of_a_network_renames_the_runs_that_train_it(smoke, monkeypatch):
    plain = {run.title for run in smoke.networks if run.step.train.model in {"unet", "unet3d"}}
    (file,) = {file_of(run.step.executed_modules()[0]) for run in smoke.networks if run.title in plain}
    assert renamed(smoke.runs, file, monkeypatch) == plain


def test_an_edit_of_a_paper_table_renames_what_reads_it_alone():
    """A data file counts where a module names it."""
    table = package_folder("mtneuro_suite") / "preset" / "paper.json"
    seen = []

    def read(path: Path) -> str:
        seen.append(path)
        return path.read_text(encoding="utf-8")

    Sources(read).digest(("mtneuro_suite.preset.paper",))
    assert table in seen
    seen.clear()
    Sources(read).digest(("mtneuro_suite.steps.umap",))
    assert table not in seen


def test_what_is_imported_for_a_type_checker_alone_is_not_reached():
    text = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mtneuro_probe import umap_embedding\n"
    )
    umap = file_of("mtneuro_suite.steps.umap")

    def reached(text: str) -> set[str]:
        sources = Sources(lambda path: text if path == umap else path.read_text(encoding="utf-8"))
        return set(sources.reached(("mtneuro_suite.steps.umap",)))

    assert reached(text) == {"mtneuro_suite.steps.umap"}
    assert "mtneuro_probe.projection" in reached(text.replace("if TYPE_CHECKING", "if True"))
    assert "mtneuro_probe.projection" in reached(
        "def late():\n    from mtneuro_probe import umap_embedding\n"
    )


def test_a_name_leads_to_its_home_and_not_to_all_that_a_package_offers():
    umap = file_of("mtneuro_suite.steps.umap")
    text = "from mtneuro_probe import umap_embedding\n"
    sources = Sources(lambda path: text if path == umap else path.read_text(encoding="utf-8"))
    reached = sources.reached(("mtneuro_suite.steps.umap",))
    assert "mtneuro_probe.projection" in reached
    assert not [module for module in reached if "readout" in module]


def test_runs_of_the_same_sources_have_the_same_names(smoke, monkeypatch):
    assert named(smoke.runs, Sources(), monkeypatch) == {run.title: run.id for run in with_needs(smoke.runs)}


def test_another_text_of_a_file_that_is_named_by_its_path_is_another_digest(tmp_path):
    file = tmp_path / "in a.folder" / "nets.py"
    file.parent.mkdir()
    digests = set()
    for text in (
        "import numpy\n",
        "import numpy\nfrom .beside import x\n",
        "from mtneuro_ssl import embed\n",
    ):
        file.write_text(text)
        digests.add(Sources().digest((str(file),)))
    assert len(digests) == 3
    assert "mtneuro_ssl.embedding" in Sources().reached((str(file),))
    with pytest.raises(ModuleNotFoundError, match=r"nets\.py"):
        Sources().digest((str(file.with_name("other nets.py")),))
