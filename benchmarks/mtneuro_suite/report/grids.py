"""Write tables of text and numbers as Markdown, LaTeX or CSV."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

Format = Literal["markdown", "latex", "csv"]
Value = str | int | float | None

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table of which every cell is text, a number or nothing."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    notes: tuple[str, ...] = ()
    digits: Mapping[str, int] = field(default_factory=dict[str, int])
    """Decimals of a column's numbers, where they are not three."""

    def shown(self, column: str, value: Value) -> str:
        """Return a cell as text."""
        if value is None:
            return "–"
        return f"{value:.{self.digits.get(column, 3)}f}" if isinstance(value, float) else str(value)

    @property
    def shown_rows(self) -> tuple[tuple[str, ...], ...]:
        """The rows with every cell as text."""
        return tuple(
            tuple(self.shown(column, value) for column, value in zip(self.columns, row, strict=True))
            for row in self.rows
        )

    def without_empty_columns(self) -> "Grid":
        """Return the grid without the columns in which no row has anything."""
        kept = [i for i in range(len(self.columns)) if any(row[i] not in (None, "") for row in self.rows)]
        return replace(
            self,
            columns=tuple(self.columns[i] for i in kept),
            rows=tuple(tuple(row[i] for i in kept) for row in self.rows),
        )


def _numeric(grid: Grid) -> list[bool]:
    return [any(isinstance(row[i], int | float) for row in grid.rows) for i in range(len(grid.columns))]


def _markdown(grids: Sequence[Grid]) -> str:
    blocks: list[str] = []
    for place, grid in enumerate(grids, start=1):
        head, body = list(grid.columns), [*grid.shown_rows]
        # A bar would end its cell.
        head, *body = [[text.replace("|", "\\|") for text in row] for row in (head, *body)]
        widths = [max(3, *(len(row[i]) for row in (head, *body))) for i in range(len(head))]
        right = _numeric(grid)

        def line(row: Sequence[str], widths: list[int] = widths, right: list[bool] = right) -> str:
            cells = (
                text.rjust(width) if at_right else text.ljust(width)
                for text, width, at_right in zip(row, widths, right, strict=True)
            )
            return f"| {' | '.join(cells)} |"

        rule = [
            "-" * (width - 1) + ":" if at_right else "-" * width
            for width, at_right in zip(widths, right, strict=True)
        ]
        # Notes that the next table repeats are printed beneath that one.
        shared = place < len(grids) and grids[place].notes == grid.notes
        notes = "" if shared else "".join(f"\n{note}\n" for note in grid.notes)
        blocks.append("\n".join([f"### {grid.title}", "", line(head), line(rule), *map(line, body), notes]))
    return "\n".join(blocks)


def _latex_text(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _latex(grids: Sequence[Grid]) -> str:
    blocks: list[str] = []
    for grid in grids:
        columns = "".join("r" if right else "l" for right in _numeric(grid))
        lines = [
            r"\begin{table}",
            rf"\caption{{{_latex_text(' '.join((grid.title + '.', *grid.notes)))}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(map(_latex_text, grid.columns)) + r" \\",
            r"\midrule",
            *(" & ".join(map(_latex_text, row)) + r" \\" for row in grid.shown_rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
        blocks.append("\n".join(lines) + "\n")
    return "% needs \\usepackage{booktabs}\n" + "\n".join(blocks)


def _csv(grids: Sequence[Grid]) -> str:
    """Return all grids as one table, numbers in full, each row under its grid's title."""
    columns = list(dict.fromkeys(column for grid in grids for column in grid.columns))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=["table", *columns], lineterminator="\n")
    writer.writeheader()
    for grid in grids:
        for row in grid.rows:
            writer.writerow({"table": grid.title, **dict(zip(grid.columns, row, strict=True))})
    return text.getvalue()


_WRITERS: dict[Format, Callable[[Sequence[Grid]], str]] = {
    "markdown": _markdown,
    "latex": _latex,
    "csv": _csv,
}


def grid_text(grids: Sequence[Grid], form: Format) -> str:
    """Return tables as Markdown, as LaTeX (booktabs), or as one CSV with numbers in full.

    Examples
    --------
    >>> grid = Grid(title="Scores", columns=("model", "mean"), rows=(("a_b", 0.5), ("c", None)))
    >>> print(grid_text([grid], "markdown"))
    ### Scores
    <BLANKLINE>
    | model |  mean |
    | ----- | ----: |
    | a_b   | 0.500 |
    | c     |     – |
    <BLANKLINE>
    >>> print(grid_text([grid], "csv"), end="")
    table,model,mean
    Scores,a_b,0.5
    Scores,c,
    """
    return _WRITERS[form](grids)
