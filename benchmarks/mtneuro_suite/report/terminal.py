"""Print findings, tables, and what a plan costs, in a terminal."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from mtneuro_suite.report.claims import Claim
from mtneuro_suite.report.tables import Cell, Table
from mtneuro_suite.runs.run import Run


def _rich_table(table: Table, *, paper: bool) -> RichTable:
    shown = RichTable()
    # A name may break; a number may not.
    shown.add_column(table.corner, overflow="fold")
    for position, column in enumerate(table.columns):
        cells = [cells[position] for _, cells in table.rows]
        widest = max(
            (len(line) for cell in cells for line in _cell_text(cell, paper=paper).plain.splitlines()),
            default=0,
        )
        shown.add_column(column, justify="right", min_width=widest)
    for place, (label, cells) in enumerate(table.rows):
        if table.floors and place == len(table.learnt):
            shown.add_section()
        shown.add_row(Text(label), *(_cell_text(cell, paper=paper) for cell in cells))
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
    _print_list("Findings", found, out)


def print_claims(told: Sequence[Claim], out: Console) -> None:
    """Print the paper's claims, a line each where the terminal is wide enough."""
    _print_list("The paper's claims", told, out)


def _print_list(title: str, lines: Sequence[object], out: Console) -> None:
    """Print a heading and what stands beneath it; nothing where there is nothing."""
    if lines:
        out.print()
        out.print(title, style="bold")
    for line in lines:
        out.print(f"- {line}", soft_wrap=False, highlight=False, markup=False)


def print_tables(tables: Sequence[Table], out: Console, *, paper: bool = False) -> None:
    """Print the tables, the paper's numbers beneath ours where the data are its own.

    Parameters
    ----------
    tables
        What to print.
    out
        Where.
    paper
        Whether the paper's numbers stand there for other data too.
    """
    with_paper = [table.has_paper and (paper or table.paper_beside) for table in tables]
    for table, beside in zip(tables, with_paper, strict=True):
        out.print()
        out.print(table.title, style="bold")
        out.print(_rich_table(table, paper=beside), soft_wrap=False)
        for note in table.notes:
            out.print(note, style="dim", soft_wrap=False)
    out.print()
    if any(with_paper):
        out.print("Ours stands first in a cell, the paper's last.", style="dim")


def print_caveat(caveat: str, out: Console) -> None:
    """Print why the figures are not the paper's; nothing where they are."""
    if caveat:
        out.print(caveat, style="bold", soft_wrap=False)
