"""What the commands share with their user: the name of an output, the bar, and what is told aside."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Output = Annotated[Path, Parameter(name=["--output", "-o"])]


@contextmanager
def bar(what: str, *, speed: bool = False) -> Generator[Callable[[int, int], None]]:
    """Draw a bar with time left on stderr, and give the callback that moves it."""
    from rich import progress as bars
    from rich.console import Console

    columns = [bars.TextColumn(what), bars.BarColumn(), bars.TaskProgressColumn()]
    # A voxel is kept as a byte, so voxels a second are bytes a second.
    columns += [bars.TransferSpeedColumn()] if speed else []
    columns += [bars.TimeRemainingColumn()]
    console = Console(stderr=True)
    with bars.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        job = bar.add_task(what, total=None)

        def move(done: int, total: int) -> None:
            bar.update(job, completed=done, total=total)

        yield move


def check_output(path: Path, suffix: str) -> None:
    """Raise if an output has another ending, or no folder to stand in."""
    if path.suffix != suffix:
        wanted = f"named {suffix}" if suffix else "a folder's name without an ending"
        raise ValueError(f"--output must be {wanted}, got {path.name}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--output: there is no folder {path.parent}")


def aside(line: str) -> None:
    """Tell something that is no result, on standard error."""
    sys.stderr.write(line + "\n")
