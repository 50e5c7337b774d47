"""What the commands share with their user: the name of an output, the bar, and figures on disk."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mtneuro_seg.disk import disk_named, written_beside

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Output = Annotated[Path, Parameter(name=["--output", "-o", "--out"])]


@contextmanager
def bar(what: str) -> Generator[Callable[[int, int], None]]:
    """Draw a bar with the time left on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as drawn:
        task = drawn.add_task(what, total=None)
        yield lambda done, total: drawn.update(task, completed=done, total=total)


def check_figure(path: Path) -> None:
    """Raise if a figure cannot be written under such a name."""
    if path.suffix not in {".png", ".pdf", ".svg"}:
        raise ValueError(f"a figure must be a .png, .pdf or .svg, got {str(path)!r}")


def save_figure(drawn: "Figure", path: Path) -> str:
    """Write a figure, whole or not at all, and return the line that says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with disk_named(path, then="draws it again"), written_beside(path) as beside:
        drawn.savefig(beside, dpi=150, format=path.suffix[1:])
    return f"figure written to {path}"
