"""Compare results with the paper's, and models with each other, from what ``run_all.py`` wrote."""

import re
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mtneuro_suite._shared.files import written_beside
from mtneuro_suite._shared.terminal import Force, check_output, command_line, run
from mtneuro_suite.plan.costs import duration
from mtneuro_suite.report.comparison import TOLERANCE, against_grids, paired_grid, paper_grids
from mtneuro_suite.report.grids import Format, grid_text
from mtneuro_suite.report.leaderboard import read_submissions, write_leaderboard
from mtneuro_suite.report.record import read_record, write_record
from mtneuro_suite.report.submission import (
    ENDING,
    read_all_results,
    submission_of,
    write_submission,
)

app = command_line("uv run benchmarks/compare.py", version=False)


@app.default
def compare(
    *results: Path,
    rows: Annotated[tuple[str, str] | None, Parameter(consume_multiple=True)] = None,
    against: str | None = None,
    tolerance: float = TOLERANCE,
    form: Annotated[Format, Parameter(name="--format")] = "markdown",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    force: Force = False,
) -> str:
    """Print ours beside the paper's, or one model against another, paired over cubes and seeds.

    - `uv run benchmarks/compare.py results/demo`
    - `uv run benchmarks/compare.py results/demo --rows byol supervised`
    - `uv run benchmarks/compare.py results/demo --against study`
    - `uv run benchmarks/compare.py results/demo results/mine --rows demo:byol mine:my-encoder`
    - `uv run benchmarks/compare.py results --format latex -o tables.tex`
    - `uv run benchmarks/compare.py results/mine theirs.submission.json --rows mine:my-encoder theirs:byol`

    Numbers are judged as a reproduction only where the volume and the settings are the paper's.

    Parameters
    ----------
    results
        Folders with a `results.csv`, such as `results/demo`, an output folder with several of them, or
        submissions.
    rows
        Two models, as their results name them, to be paired over the cubes and seeds that both have, where
        both are scored on the same data; `FOLDER:MODEL` where several results have one of that name.
    against
        A record, `study` or a folder that `record` wrote: each row is set beside the record's of that name,
        others beside its BYOL, networks beside its U-Net, paired over the cubes and seeds that both have.
    tolerance
        Largest difference from the paper's mean that counts as a reproduction.
    form
        `markdown`, `latex` (with booktabs), or `csv` with numbers in full.
    output
        Write to this file instead of the terminal.
    """
    if not results:
        raise ValueError("give at least one folder of results, such as results/demo")
    if output is not None:
        check_output(output, what="tables", force=force)
    if rows and against:
        raise ValueError("give --rows, two models, or --against, a record: not both")
    read = read_all_results(results)
    if against is not None:
        grids = against_grids(read, read_record(against))
    else:
        grids = [paired_grid(read, *rows)] if rows else paper_grids(read, tolerance=tolerance)
    text = grid_text(grids, form)
    if output is None:
        return text.rstrip("\n")
    with written_beside(output) as beside:
        beside.write_text(text, encoding="utf-8")
    return f"tables written to {output}"


@app.command
def submit(
    folder: Path,
    *,
    name: str,
    by: str,
    link: str = "",
    rows: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    force: Force = False,
) -> str:
    """Check a folder of results, and write it as one file for a leaderboard.

    Everything is checked that can be: files are whole and as they were written, numbers are those of the
    runs, samples are all that the tasks name, of this version of the suite and of the phantom. What is
    missing or wrong is told in a line, and nothing is written then.

    - `uv run benchmarks/compare.py submit results/demo --name demo --by "A. Person"`
    - `uv run benchmarks/compare.py submit results/demo-with-mine --rows mine --name mine --by "A. Person"`

    Parameters
    ----------
    folder
        Results of one preset, such as `results/demo`; its runs must still lie beside it.
    name
        What the submission is called.
    by
        Who made it.
    link
        Where more stands about it: a paper, a repository.
    rows
        Models to be submitted, as the results name them; all by default.
    output
        The file; NAME.submission.json by default.
    """
    path = output or Path(re.sub(r"[^\w.-]+", "_", name) + ENDING)
    check_output(path, ENDING, what="a submission", force=force)
    made = submission_of(folder, name=name, by=by, link=link, rows=rows)
    write_submission(made, path)
    models = len({row.model for row in made.results.rows})
    return f"{models} models with {len(made.results.rows)} numbers written to {path}"


@app.command
def record(
    folder: Path,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    force: Force = False,
) -> str:
    """Check a folder of results as for a submission, and keep it for `--against`.

    The record holds the numbers, the report, a page with findings, claims and tables, the figure of the first
    table, and a table of all runs with their times and what made them.

    - `uv run benchmarks/compare.py record results/study -o benchmarks/records/study`

    Parameters
    ----------
    folder
        Results of one preset, such as `results/study`; its runs must still lie beside it.
    output
        The record's folder; with --force an earlier record there is replaced.
    """
    check_output(output, what="a record", force=force)
    kept = write_record(folder, output)
    return f"record of {duration(kept.seconds)} of runs written to {output}"


@app.command
def leaderboard(
    *submissions: Path,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("leaderboard.html"),
    force: Force = False,
) -> str:
    """Set submissions beside each other, on one page that opens offline.

    - `uv run benchmarks/compare.py leaderboard mine.submission.json theirs.submission.json`
    - `uv run benchmarks/compare.py leaderboard submissions -o leaderboard.html`

    Parameters
    ----------
    submissions
        Files that `submit` wrote, or folders of them.
    output
        The page.
    """
    if not submissions:
        raise ValueError(f"give at least one submission: a file *{ENDING}, or a folder of them")
    check_output(output, ".html", what="a leaderboard", force=force)
    read = read_submissions(submissions)
    write_leaderboard(read, output)
    return f"{len(read)} submission{'' if len(read) == 1 else 's'} written to {output}"


if __name__ == "__main__":
    sys.exit(run(app, sys.argv[1:], say=partial(print, flush=True)))
