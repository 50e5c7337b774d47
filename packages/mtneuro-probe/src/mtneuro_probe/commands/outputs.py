"""What the commands write: tables and figures, whose endings are checked before the work begins."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mtneuro_probe._shared.terminal import check_ending
from mtneuro_probe.files import save_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

OptionalOutput = Annotated[Path | None, Parameter(name=["--output", "-o"])]
"""The file that a command writes where it is asked to."""


def check_table(path: Path | None) -> None:
    """Raise ``ValueError`` unless the name of a table to write, if any, ends as a table's."""
    if path is not None:
        check_ending(path, ".csv", ".parquet", what="a table")


def check_figures(*paths: Path | None) -> None:
    """Raise ``ValueError`` unless the names of the figures to write, if any, end as a figure's."""
    for path in paths:
        if path is not None:
            check_ending(path, ".png", ".pdf", ".svg", what="a figure")


def write_table(path: Path | None, table: "pd.DataFrame") -> Iterator[str]:
    """Write a table where one is asked for, and tell it."""
    if path is not None:
        from mtneuro_probe.tables import save_table

        save_table(path, table)
        yield f"table of {len(table)} rows written to {path}"


def write_figure(path: Path | None, draw: "Callable[[], Figure]") -> Iterator[str]:
    """Draw and write a figure where one is asked for, and tell it."""
    if path is not None:
        save_figure(path, draw())
        yield f"figure written to {path}"
