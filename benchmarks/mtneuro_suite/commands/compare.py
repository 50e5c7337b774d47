"""``mtneuro compare``, ``mtneuro compare record`` and ``mtneuro compare leaderboard``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mtneuro_suite._shared.files import written_beside
from mtneuro_suite._shared.terminal import Force, check_output
from mtneuro_suite.report.comparison import TOLERANCE
from mtneuro_suite.report.grids import Format


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

    - `mtneuro compare results/demo`
    - `mtneuro compare results/demo --rows byol supervised`
    - `mtneuro compare results/demo --against study`
    - `mtneuro compare results/demo results/mine --rows demo:byol mine:my-encoder`
    - `mtneuro compare results --format latex -o tables.tex`
    - `mtneuro compare results/mine theirs.submission.json --rows mine:my-encoder theirs:byol`

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
    from mtneuro_suite.report.comparison import against_grids, paired_grid, paper_grids
    from mtneuro_suite.report.grids import grid_text
    from mtneuro_suite.report.record import read_record
    from mtneuro_suite.report.submission import read_all_results

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


def record(
    folder: Path,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    data: Path | None = None,
    force: Force = False,
) -> str:
    """Check a folder of results as for a submission, and keep it for `--against`.

    The record holds the numbers, the report, a page with findings, claims and tables, the figure of the first
    table, and a table of all runs with their times and what made them.

    - `mtneuro compare record results/study -o records/study`
    - `mtneuro compare record results/real-study -o records/real-study --data FOLDER`

    Parameters
    ----------
    folder
        Results of one preset, such as `results/study`; its runs must still lie beside it.
    output
        The record's folder; with --force an earlier record there is replaced.
    data
        Folder of the real files that were read, for presets that read any, such as `real-study`.
    """
    from mtneuro_suite.plan.costs import duration
    from mtneuro_suite.report.record import write_record

    check_output(output, what="a record", force=force)
    kept = write_record(folder, output, data=data)
    return f"record of {duration(kept.seconds)} of runs written to {output}"


def leaderboard(
    *submissions: Path,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("leaderboard.html"),
    force: Force = False,
) -> str:
    """Set submissions beside each other, on one page that opens offline.

    - `mtneuro compare leaderboard mine.submission.json theirs.submission.json`
    - `mtneuro compare leaderboard submissions -o leaderboard.html`

    Parameters
    ----------
    submissions
        Files that `submit` wrote, or folders of them.
    output
        The page.
    """
    from mtneuro_suite.report.leaderboard import read_submissions, write_leaderboard
    from mtneuro_suite.report.submission import ENDING

    if not submissions:
        raise ValueError(f"give at least one submission: a file *{ENDING}, or a folder of them")
    check_output(output, ".html", what="a leaderboard", force=force)
    read = read_submissions(submissions)
    write_leaderboard(read, output)
    return f"{len(read)} submission{'' if len(read) == 1 else 's'} written to {output}"
