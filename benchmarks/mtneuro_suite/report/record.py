"""Keep results for others to compare with: numbers, report, tables, and what each run was made with."""

import shutil
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from mtneuro_suite._shared.digests import file_digest
from mtneuro_suite._shared.files import written_beside
from mtneuro_suite._shared.settings import Settings
from mtneuro_suite._shared.words import one_line
from mtneuro_suite.plan.costs import duration
from mtneuro_suite.plan.plan import Plan, plan_of
from mtneuro_suite.preset.model import checked_preset
from mtneuro_suite.report.about import FILE_NAME, Results, about, read_results
from mtneuro_suite.report.claims import claims
from mtneuro_suite.report.comparison import against_grids
from mtneuro_suite.report.expense import cost_lines
from mtneuro_suite.report.figures import svg_text
from mtneuro_suite.report.findings import findings
from mtneuro_suite.report.grids import Grid, grid_text
from mtneuro_suite.report.overview import overview_figure
from mtneuro_suite.report.submission import submission_of, version_faults
from mtneuro_suite.report.tables import Table, all_tables
from mtneuro_suite.runs.provenance import made_by
from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.store import Store

RECORDS = Path(str(files("mtneuro_suite"))) / "records"
"""The records that come with the suite."""

RECORD = "record.json"
PAGE = "README.md"
FIGURE = "figure.svg"
RUNS = "runs.csv"
_KEPT = ("results.csv", "report.html")
_COLUMNS = ("run", "kind", "title", "seconds", "peak_memory_mib", "device", "commit", "finished")


class Record(Settings):
    """What says whether others' results may be set beside a record's."""

    record_version: Literal[1] = 1
    suite_version: str
    phantom_version: int | None
    """None where no number is of the phantom."""

    commits: tuple[str, ...]
    """Of the code that made the runs; of an installed suite its version."""

    seconds: float
    """What all runs took together."""

    numbers: str
    """SHA-256 of ``results.csv``."""

    versions: dict[str, str] = Field(default_factory=dict)
    """Of the libraries."""


def write_record(folder: Path, out: Path, *, data: Path | None = None) -> Record:
    """Check a folder of results as for a submission, and keep it as a record.

    Parameters
    ----------
    folder
        Results of one preset, such as ``results/study``; its runs must still lie beside it.
    out
        The record's folder. What is in it of an earlier record is replaced.
    data
        Folder of the real files that were read, where the preset reads any.

    Raises
    ------
    FileNotFoundError
        If the folder holds no results.
    ValueError
        If anything about the results is missing or wrong, or ``out`` holds something else than a record.
    """
    if out.exists() and any(out.iterdir()) and not (out / RECORD).is_file():
        raise ValueError(f"{out} must be a new folder or hold a record, and holds something else")
    checked = submission_of(folder, name=folder.name, by="the suite")
    (results,) = read_results([folder])
    plan = plan_of(checked_preset(results.about.preset, where=str(folder / FILE_NAME)), data=data)
    store = Store(folder.resolve().parent)
    made = [_made(name, store) for name in results.about.runs]
    record = Record(
        suite_version=results.about.suite_version,
        phantom_version=checked.phantom_version,
        commits=tuple(dict.fromkeys(one["commit"] for one in made)),
        seconds=round(sum(one["seconds"] for one in made), 1),
        numbers=file_digest(folder / "results.csv"),
        versions=checked.entries[-1].made_with.versions,
    )
    with written_beside(out) as beside:
        beside.mkdir()
        for name in _KEPT:
            shutil.copyfile(folder / name, beside / name)
        # Without the paths of the machine that made it.
        told = results.about.model_copy(update={"preset": checked.about.preset})
        (beside / FILE_NAME).write_text(told.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (beside / RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (beside / RUNS).write_text(cost_lines(made, _COLUMNS), encoding="utf-8")
        (beside / PAGE).write_text(_page(plan, results, record, made), encoding="utf-8")
        if (figure := overview_figure(plan, results.rows)) is not None:
            (beside / FIGURE).write_text(svg_text(figure), encoding="utf-8")
    return record


def read_record(name: str) -> Results:
    """Return the results of a record, by the name of one that comes with the suite, or by its path.

    Raises
    ------
    FileNotFoundError
        If there is no such record.
    ValueError
        If a file of it has been changed, or it is of another version of the suite or of the phantom.
    """
    folder = Path(name) if (Path(name) / RECORD).is_file() else RECORDS / name
    if not (folder / RECORD).is_file():
        known = sorted(path.parent.name for path in RECORDS.glob(f"*/{RECORD}"))
        raise FileNotFoundError(
            "a record must be a folder that `mtneuro compare record` wrote, or one of "
            f"{', '.join(known) or 'none'}, got {name!r}"
        )
    try:
        record = Record.model_validate_json((folder / RECORD).read_bytes())
    except ValidationError as error:
        raise ValueError(f"{folder / RECORD} must describe a record: {one_line(error)}") from None
    if record.numbers != file_digest(folder / "results.csv"):
        raise ValueError(f"{folder / 'results.csv'} has been changed since it was recorded")
    if faults := [*version_faults(record.suite_version, record.phantom_version)]:
        raise ValueError(f"{folder}: {'; '.join(faults)}")
    (results,) = read_results([folder])
    return results


def _made(name: str, store: Store) -> dict[str, Any]:
    """Return a run with its provenance, as `expenses` does, by its name alone."""
    content, damage = store.inspected(name)
    if content is None:
        raise ValueError(damage or f"the run {name} is missing: run the same command again")
    made = content["provenance"]
    commit = made_by(made["commit"], made["versions"])
    return {**made, "id": name, "kind": name.rpartition("-")[0], "title": content["title"], "commit": commit}


def beside_study(plan: Plan, rows: Sequence[Row], *, name: str | None = None) -> list[Grid]:
    """Return how a run's rows differ from a recorded study's; nothing where they cannot be compared.

    Parameters
    ----------
    plan
        What was run. The study itself has nothing to stand beside.
    rows
        Its rows.
    name
        The record; by default ``study``, or ``real-study`` for real files.
    """
    name = name or ("real-study" if plan.preset.inputs == "real-sample" else "study")
    if plan.preset.name == name or not rows:
        return []
    try:
        return against_grids([Results(plan.preset.name, about(plan), tuple(rows))], read_record(name))
    except (FileNotFoundError, ValueError):
        # Of other data, of another version, or not at hand.
        return []


def _page(plan: Plan, results: Results, record: Record, made: Sequence[dict[str, Any]]) -> str:
    """Return the record as a page: findings, claims, tables, and times by kind of run."""
    name = plan.preset.name
    read = " --data FOLDER" if plan.preset.inputs == "real-sample" else ""
    lines = [
        f"# {name}",
        "",
        plan.preset.description,
        "",
        f"Made by `mtneuro run --preset {name}{read}` and `mtneuro compare record`: do not edit.",
        f"Suite {record.suite_version}"
        + (f", phantom version {record.phantom_version}" if record.phantom_version else "")
        + f", code {', '.join(record.commits)}; {duration(record.seconds)} of runs.",
        "",
        f"![Every row of the first table, with intervals]({FIGURE})",
        "",
        "## Findings",
        "",
        *(f"- {found}" for found in findings(plan, results.rows)),
        "",
        "## The paper's claims",
        "",
        *(f"- {claim}" for claim in claims(plan, results.rows)),
        "",
        "## Tables",
        "",
    ]
    grids = [table_grid(table) for table in all_tables(plan, results.rows)]
    of_kind: dict[str, list[float]] = {}
    for one in made:
        of_kind.setdefault(one["kind"], []).append(one["seconds"])
    times = Grid(
        title="Times by kind of run",
        columns=("kind", "runs", "seconds", "longest"),
        rows=tuple((kind, len(each), sum(each), max(each)) for kind, each in of_kind.items()),
        digits={"seconds": 0, "longest": 1},
    )
    return "\n".join(lines) + "\n" + grid_text([*grids, times], "markdown")


def table_grid(table: Table) -> Grid:
    """Return a table with its intervals as text, row by row, a rule's floors among them."""
    rows = [
        (label, *(" ".join((cell.ours, *cell.beneath)) for cell in cells))
        for label, cells in table.rows
        if any(cell.mean is not None for cell in cells)
    ]
    return Grid(
        title=table.title, columns=(table.corner, *table.columns), rows=tuple(rows), notes=table.notes
    )
