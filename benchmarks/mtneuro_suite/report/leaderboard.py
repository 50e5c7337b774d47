"""Set submissions beside each other: one HTML page of sortable tables that opens offline."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtneuro_suite import SUITE_VERSION
from mtneuro_suite._shared.digests import digest
from mtneuro_suite._shared.files import written_beside
from mtneuro_suite.plan.costs import duration
from mtneuro_suite.preset.paper import REGION_TASKS
from mtneuro_suite.report.comparison import table1_metric_of
from mtneuro_suite.report.names import class_setting, feature_name, model_name
from mtneuro_suite.report.page import filled
from mtneuro_suite.report.submission import ENDING, Submission, read_submission
from mtneuro_suite.report.tables import Cell, cell_of
from mtneuro_suite.report.tissue import AVERAGE
from mtneuro_suite.runs.provenance import made_by
from mtneuro_suite.runs.row import Row

TITLES = {
    "task1": "Brain region: accuracy",
    "task2": "Microstructure: F1",
    "task3": "Semantics: R2, cross-validated over blocks of slices",
}
"""Boards, in order."""


@dataclass(frozen=True, slots=True)
class Column:
    """A score on some samples: what has the same heading and other samples is another column."""

    heading: str
    samples: int
    data: str
    """Digest of the samples."""


@dataclass(frozen=True, slots=True)
class Line:
    """One model of one submission."""

    model: str
    submission: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One table of all submissions."""

    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Maker:
    """Where a submission is from."""

    name: str
    by: str
    link: str
    preset: str
    volume: str
    phantom_version: int | None
    commits: tuple[str, ...]
    devices: tuple[str, ...]
    finished: str
    cost: str
    seeds: int
    versions: str
    digest: str

    @property
    def changed(self) -> bool:
        """Whether any number was made by code that no commit has."""
        return any(commit.endswith("+changes") or commit == "unknown" for commit in self.commits)


def read_submissions(paths: Iterable[Path]) -> list[Submission]:
    """Return the submissions in files, or in all files of folders, by name.

    Raises
    ------
    FileNotFoundError
        If a file is not there, or a folder holds none.
    ValueError
        If a file is no submission of this version, or two have one name.
    """
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob(f"*{ENDING}")) if path.is_dir() else [path]
        if not found:
            raise FileNotFoundError(f"{path} must hold files *{ENDING}, and holds none")
        files += [file for file in found if file not in files]
    named: dict[str, Path] = {}
    submissions: list[Submission] = []
    for file in files:
        one = read_submission(file)
        if one.name in named:
            raise ValueError(f"{named[one.name]} and {file} are both called {one.name!r}: rename one")
        named[one.name] = file
        submissions.append(one)
    return sorted(submissions, key=lambda one: one.name.lower())


def boards(submissions: Sequence[Submission]) -> list[Board]:
    """Return a table of each task that has numbers, a line a model and submission.

    Columns hold what is scored on the same samples: the same slices of the same version of the same volume,
    at the same resolution.
    """
    rows: dict[str, dict[tuple[str, str], dict[str, list[Row]]]] = {
        task: defaultdict(lambda: defaultdict(list)) for task in TITLES
    }
    data: dict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    for one in submissions:
        for entry in one.entries:
            for row in entry.numbers:
                if place := _place(row, one):
                    task, heading = place
                    rows[task][row.model, one.name][heading].append(row)
                    data[row.model, one.name, heading][entry.data[row.task]] = None
    found: list[Board] = []
    for task, of_models in rows.items():
        columns: dict[tuple[str, str], int] = {}
        lines: list[tuple[tuple[str, str], dict[tuple[str, str], list[Row]]]] = []
        for line, of_line in of_models.items():
            # Several animals are one column: all of their samples.
            placed = {
                (heading, digest(sorted(data[*line, heading]))): chosen for heading, chosen in of_line.items()
            }
            for key, chosen in placed.items():
                columns[key] = max(columns.get(key, 0), *(row.n for row in chosen if not row.cube))
            lines.append((line, placed))
        made = [
            Line(model_name(model), name, tuple(cell_of(placed.get(key, [])) for key in columns))
            for (model, name), placed in lines
        ]
        if made:
            told = (Column(heading, count, data) for (heading, data), count in columns.items())
            found.append(Board(TITLES[task], tuple(told), tuple(sorted(made, key=_rank))))
    return found


def _place(row: Row, submission: Submission) -> tuple[str, str] | None:
    """Return the board and the heading that a number stands under, or None where it stands nowhere."""
    about = submission.about
    if row.test_set.endswith(":val"):
        return None
    if row.task in about.regions:
        column = about.regions[row.task]
        if row.metric == table1_metric_of(about, row.model):
            size = "" if column.downsample == 1 else f" at 1/{column.downsample}"
            return "task1", f"{_region_name(row.task, column.paper_column)}{size}"
        if row.metric == "r2_cross_validated":
            return "task3", f"{feature_name(row.class_name)}, {_region_name(row.task, column.paper_column)}"
    if row.task in about.segmentation and row.metric == "f1" and (row.class_name == AVERAGE or row.cube):
        setting = about.segmentation[row.task]
        of_paper = re.fullmatch(rf"seg-([23]d)-{setting}", row.task)
        return "task2", f"{class_setting(setting)}, {of_paper[1].upper()}" if of_paper else row.task
    return None


def _region_name(task: str, paper_column: str) -> str:
    """Return what a sub-task is called, with the further cube set that it tests on.

    Examples
    --------
    >>> _region_name("roi-c2[B]", "roi-c2"), _region_name("layers", "layers")
    ('ROI-C2 [B]', 'layers')
    """
    if paper_column not in REGION_TASKS:
        return task
    return " ".join(filter(None, (REGION_TASKS[paper_column], task.removeprefix(paper_column))))


def _rank(line: Line) -> tuple[int, float, str, str]:
    """Order lines by the first column in which they have a number, and there the best first.

    Numbers of two columns are of other samples, and none is better than one of the other.
    """
    place, first = next(
        ((at, cell.mean) for at, cell in enumerate(line.cells) if cell.mean is not None),
        (len(line.cells), 0.0),
    )
    return (place, -first, line.model, line.submission)


def maker_of(submission: Submission) -> Maker:
    """Return where a submission's numbers are from."""
    made = [entry.made_with for entry in submission.entries]
    preset = submission.about.preset
    libraries: Mapping[str, str] = made[-1].versions
    return Maker(
        name=submission.name,
        by=submission.by,
        link=submission.link if submission.link.startswith(("https://", "http://")) else "",
        preset=str(preset.get("name", "")),
        volume=str(preset.get("source") if preset.get("inputs") == "paper" else preset.get("inputs")),
        phantom_version=submission.phantom_version,
        commits=tuple(dict.fromkeys(made_by(one.commit, one.versions) for one in made)),
        devices=tuple(dict.fromkeys(one.device for one in made)),
        finished=max(one.finished for one in made)[:10],
        cost=duration(submission.seconds),
        seeds=len({row.seed for row in submission.results.rows}),
        versions=", ".join(f"{name} {version}" for name, version in libraries.items()),
        digest=submission.digest,
    )


def write_leaderboard(submissions: Sequence[Submission], path: Path) -> None:
    """Write the page of all submissions; beside, then renamed.

    The same submissions give the same page.

    Parameters
    ----------
    submissions
        From `read_submissions`, at least one.
    path
        The HTML file.
    """
    makers = [maker_of(one) for one in submissions]
    html = filled(
        "leaderboard.html.j2",
        boards=boards(submissions),
        makers=makers,
        suite_version=SUITE_VERSION,
        newest=max(maker.finished for maker in makers),
    )
    with written_beside(path) as beside:
        beside.write_text(html, encoding="utf-8")
