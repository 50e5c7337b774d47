"""Print the tables, and what a plan costs, in a terminal."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from mtneuro_suite.report.tables import Cell, Table
from mtneuro_suite.runs.run import Run


def _rich_table(table: Table) -> RichTable:
    shown = RichTable()
    # A name may break; a number may not.
    shown.add_column(table.corner, overflow="fold")
    for position, column in enumerate(table.columns):
        cells = [cells[position] for _, cells in table.rows]
        widest = max(
            (len(text) for cell in cells for text in (cell.ours, *cell.beneath, cell.paper)), default=0
        )
        shown.add_column(column, justify="right", min_width=widest)
    for place, (label, cells) in enumerate(table.rows):
        if table.floors and place == len(table.learnt):
            shown.add_section()
        shown.add_row(Text(label), *(_cell_text(cell, paper=table.has_paper) for cell in cells))
    return shown


def _cell_text(cell: Cell, *, paper: bool) -> Text:
    """Return a cell's lines: ours, what stands beneath it, and the paper's where a table has any."""
    lines = (*cell.beneath, *((cell.paper,) if paper else ()))
    return Text.assemble(cell.ours, *(("\n" + line, "dim") for line in lines))


def print_estimate(
    asked: Sequence[Run],
    todo: Sequence[Run],
    *,
    processes: int,
    device: str,
    output: Path,
    out: Console,
    err: Console,
) -> None:
    """Print what the runs will cost, and raise ``ValueError`` if this machine cannot do it."""
    from mtneuro_suite.plan.estimate import estimate

    with err.status("timing") as status:
        found = estimate(
            asked,
            todo,
            processes=max(1, processes),
            device=device,
            progress=lambda name: status.update(f"timing {name}"),
        )
    for kind, count in Counter(run.step.kind for run in asked).items():
        left = sum(run.step.kind == kind for run in todo)
        out.print(f"{kind:10} {count:5} runs, {left} to do")
    for name, text in found.lines():
        out.print(f"{name:10} {text}")
    found.check(output)


def print_findings(found: Sequence[str], out: Console) -> None:
    """Print the findings, a line each where the terminal is wide enough."""
    if found:
        out.print()
        out.print("Findings", style="bold")
    for text in found:
        out.print(f"- {text}", soft_wrap=False, highlight=False, markup=False)


def print_tables(tables: Sequence[Table], caveat: str, out: Console) -> None:
    """Print the tables, and beneath them why their figures are not the paper's."""
    for table in tables:
        out.print()
        out.print(table.title, style="bold")
        out.print(_rich_table(table), soft_wrap=False)
        for note in table.notes:
            out.print(note, style="dim", soft_wrap=False)
    out.print()
    if any(table.has_paper for table in tables):
        out.print("Ours stands first in a cell, the paper's last.", style="dim")
    if caveat:
        out.print(caveat, style="bold")
