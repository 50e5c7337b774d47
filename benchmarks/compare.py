"""Compare results with the paper's, and models with each other, from folders that ``run_all.py`` wrote."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mtneuro_suite._shared.files import written_beside
from mtneuro_suite._shared.terminal import Force, check_output, command_line, run
from mtneuro_suite.report.about import read_results
from mtneuro_suite.report.comparison import TOLERANCE, paired_grid, paper_grids
from mtneuro_suite.report.grids import Format, grid_text

app = command_line("uv run benchmarks/compare.py", version=False)


@app.default
def compare(
    *results: Path,
    rows: Annotated[tuple[str, str] | None, Parameter(consume_multiple=True)] = None,
    tolerance: float = TOLERANCE,
    form: Annotated[Format, Parameter(name="--format")] = "markdown",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    force: Force = False,
) -> str:
    """Print ours beside the paper's, or one model against another, paired over cubes and seeds.

    - `uv run benchmarks/compare.py results/demo`
    - `uv run benchmarks/compare.py results/demo --rows byol supervised`
    - `uv run benchmarks/compare.py results/demo results/mine --rows demo:byol mine:my-encoder`
    - `uv run benchmarks/compare.py results --format latex -o tables.tex`

    Numbers are judged as a reproduction only where the volume and the settings are the paper's.

    Parameters
    ----------
    results
        Folders with a `results.csv`, such as `results/demo`, or an output folder with several of them.
    rows
        Two models, as their results name them, to be paired over the cubes and seeds that both have, where
        both are scored on the same data; `FOLDER:MODEL` where several results have one of that name.
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
    read = read_results(results)
    grids = [paired_grid(read, *rows)] if rows else paper_grids(read, tolerance=tolerance)
    text = grid_text(grids, form)
    if output is None:
        return text.rstrip("\n")
    with written_beside(output) as beside:
        beside.write_text(text, encoding="utf-8")
    return f"tables written to {output}"


if __name__ == "__main__":
    sys.exit(run(app, sys.argv[1:], say=partial(print, flush=True)))
