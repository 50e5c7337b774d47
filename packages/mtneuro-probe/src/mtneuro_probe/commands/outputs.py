"""What the commands write, tables and figures, and what they check before the work begins."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mtneuro_probe._shared.terminal import check_output
from mtneuro_probe.files import save_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

OptionalOutput = Annotated[Path | None, Parameter(name=["--output", "-o"])]
"""The file that a command writes if it is asked to."""


def check_table(path: Path | None, *, force: bool) -> None:
    """Raise unless a table can be written under such a name, if there is one."""
    if path is not None:
        check_output(path, ".csv", ".parquet", what="a table", force=force)


def check_figures(*paths: Path | None, force: bool) -> None:
    """Raise unless figures can be written under such names, if there are any."""
    for path in paths:
        if path is not None:
            check_output(path, ".png", ".pdf", ".svg", what="a figure", force=force)


def check_seed(seed: int) -> None:
    """Raise ``ValueError`` unless NumPy and UMAP take such a seed."""
    if not 0 <= seed < 2**32:
        raise ValueError(f"--seed must be at least 0 and less than 2**32, got {seed}")


def check_run_length(run_length: int | None) -> None:
    """Raise ``ValueError`` unless a bootstrap can draw runs of so many slices, if a length is given."""
    if run_length is not None and run_length < 1:
        raise ValueError(f"--run-length must be at least 1 slice, got {run_length}")


def interval_text(low: float, high: float, reason: str) -> str:
    """Return a 95 % interval in words, or why there is none.

    Examples
    --------
    >>> interval_text(0.5, 0.75, ""), interval_text(float("nan"), float("nan"), "too few runs")
    ('95 % interval 0.500 to 0.750', 'no interval: too few runs')
    """
    return f"no interval: {reason}" if reason else f"95 % interval {low:.3f} to {high:.3f}"


def write_table(path: Path | None, table: "pd.DataFrame") -> Iterator[str]:
    """Write a table if one is asked for, and yield the line that says so."""
    if path is not None:
        from mtneuro_probe.tables import save_table

        save_table(path, table)
        yield f"table of {len(table)} rows written to {path}"


def write_figure(path: Path | None, draw: "Callable[[], Figure]") -> Iterator[str]:
    """Draw and write a figure if one is asked for, and yield the line that says so."""
    if path is not None:
        save_figure(path, draw())
        yield f"figure written to {path}"
