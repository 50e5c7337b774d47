"""What a person sees while runs are carried out: bars on a terminal, plain lines elsewhere."""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from mtneuro_suite.run import Run


def duration(seconds: float) -> str:
    """Return a time as a person would say it.

    Examples
    --------
    >>> duration(42), duration(200), duration(7300)
    ('42 s', '3 min', '2.0 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Display:
    """Shows the runs as they go, with the time left.

    Parameters
    ----------
    runs
        Those that will be carried out.
    already
        How many more were done before.
    console
        Where to draw; a terminal gets bars, anything else a line a run.
    """

    def __init__(self, runs: Sequence[Run], *, already: int, console: Console) -> None:
        self._runs = {run.id: run for run in runs}
        self._already = already
        self._console = console
        self._share: dict[str, float] = {}
        self._ended: set[str] = set()
        self._cost = sum(run.cost for run in runs) or 1.0
        self._started = time.monotonic()
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._whole = self._progress.add_task("", total=self._cost, left="")

    @contextmanager
    def shown(self) -> Generator[None]:
        """Draw the bars while the block runs."""
        with self._progress:
            self._refresh()
            yield

    def _left(self) -> str:
        done = sum(self._share.get(name, 0.0) * run.cost for name, run in self._runs.items())
        elapsed = time.monotonic() - self._started
        if done < 0.02 * self._cost or elapsed < 5:
            return ""
        return f"about {duration(elapsed * (self._cost - done) / done)} left"

    def _refresh(self) -> None:
        total = self._already + len(self._runs)
        done = sum(self._share.get(name, 0.0) * run.cost for name, run in self._runs.items())
        self._progress.update(
            self._whole,
            description=f"{self._already + len(self._ended)} of {total} runs done",
            completed=done,
            left=self._left(),
        )

    def progressed(self, run_id: str, done: int, total: int) -> None:
        """Hear that a run has done so much of its work."""
        if run_id in self._ended or run_id not in self._runs:
            return
        self._share[run_id] = done / max(total, 1)
        if run_id not in self._bars:
            self._bars[run_id] = self._progress.add_task(f"  {self._runs[run_id].title}", total=1.0, left="")
        self._progress.update(self._bars[run_id], completed=self._share[run_id])
        self._refresh()

    def finished(self, run_id: str, failure: str | None) -> None:
        """Hear that a run has ended, and why if it failed."""
        self._ended.add(run_id)
        self._share[run_id] = 1.0
        if run_id in self._bars:
            self._progress.remove_task(self._bars.pop(run_id))
        self._refresh()
        title = self._runs[run_id].title
        if not self._console.is_terminal:
            total = self._already + len(self._runs)
            elapsed = duration(time.monotonic() - self._started)
            outcome = f"failed, {title}" if failure else title
            self._console.print(
                f"[{self._already + len(self._ended)}/{total}] {elapsed}: {outcome} {self._left()}".rstrip()
            )
