"""What the commands write: options, and endings that are checked before the work begins."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mtneuro_probe._shared.terminal import check_ending

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
