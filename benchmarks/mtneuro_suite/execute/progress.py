"""Show the progress of the runs: bars on a terminal, plain lines elsewhere, JSON lines for other programs."""

import json
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from mtneuro_suite.plan.costs import duration
from mtneuro_suite.runs.run import Run

MOST_BARS = 12
"""Running runs beyond these are counted, and get no bar."""

State = Literal["waiting", "running", "done", "failed"]


class Tally:
    """Counts the runs by their state, and estimates the time left.

    Parameters
    ----------
    runs
        Those that will be carried out.
    already
        How many more were done before.
    forecast
        Seconds that all of them are expected to take.
    clock
        Seconds from any start.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        *,
        already: int,
        forecast: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.runs = {run.id: run for run in runs}
        self.already = already
        self._forecast = forecast
        self._clock = clock
        self._started = clock()
        self._share = dict.fromkeys(self.runs, 0.0)
        self._state: dict[str, State] = dict.fromkeys(self.runs, "waiting")

    def progressed(self, run_id: str, done: int, total: int) -> bool:
        """Note that a run has done so much of its work; return whether it is a run that is still at work."""
        if self._state.get(run_id) not in {"waiting", "running"}:
            return False
        self._state[run_id] = "running"
        self._share[run_id] = done / max(total, 1)
        return True

    def finished(self, run_id: str, failure: str | None) -> None:
        """Note that a run has ended, and why if it failed."""
        self._state[run_id] = "failed" if failure else "done"
        self._share[run_id] = 1.0

    @property
    def counts(self) -> dict[State, int]:
        """Runs by state; those that were done before are done."""
        counted = Counter(self._state.values())
        counted["done"] += self.already
        return {state: counted[state] for state in get_args(State)}

    @property
    def total(self) -> int:
        """Runs in all, those that were done before included."""
        return self.already + len(self.runs)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._started

    @property
    def share(self) -> float:
        """How much of the work is done, from 0 to 1, by the runs' rough costs."""
        cost = sum(run.cost for run in self.runs.values())
        done = sum(self._share[name] * run.cost for name, run in self.runs.items())
        return done / cost if cost else 1.0

    @property
    def seconds_left(self) -> float:
        """Seconds left, by the forecast at first, and more and more by how fast what is done went."""
        todo = 1 - self.share
        return todo * (self.elapsed + todo * self._forecast)

    @property
    def left(self) -> str:
        """The time left in words; empty once nothing is left to do."""
        return f"about {duration(self.seconds_left)} left" if self.share < 1 else ""


class Display:
    """Shows the runs as they go, with the time left.

    Parameters
    ----------
    tally
        Of the runs that will be carried out.
    console
        Where to draw; a terminal gets bars, anything else a line a run.
    """

    def __init__(self, tally: Tally, *, console: Console) -> None:
        self._tally = tally
        self._console = console
        self._bars: dict[str, TaskID] = {}
        # The description comes last, where a narrow terminal can break it over lines.
        self._progress = Progress(
            BarColumn(bar_width=20, table_column=Column(min_width=12)),
            TextColumn("{task.percentage:>3.0f} %", table_column=Column(min_width=5)),
            TimeElapsedColumn(table_column=Column(min_width=7)),
            TextColumn("{task.description}", markup=False, table_column=Column()),
            console=console,
            disable=not console.is_terminal,
        )
        self._whole = self._progress.add_task("", total=1.0)

    @contextmanager
    def shown(self) -> Generator[None]:
        """Draw the bars while the block runs."""
        with self._progress:
            self._refresh()
            yield

    def _refresh(self) -> None:
        counts = self._tally.counts
        said = [f"{counts['done']} of {self._tally.total} done"]
        said += [f"{counts[state]} {state}" for state in ("running", "waiting", "failed") if counts[state]]
        said += filter(None, [self._tally.left])
        self._progress.update(self._whole, description=", ".join(said), completed=self._tally.share)

    def progressed(self, run_id: str, done: int, total: int) -> None:
        """Take note that a run has done so much of its work."""
        if not self._tally.progressed(run_id, done, total):
            return
        if run_id not in self._bars and len(self._bars) < MOST_BARS:
            title = self._tally.runs[run_id].title
            self._bars[run_id] = self._progress.add_task(title, total=1.0)
        if run_id in self._bars:
            self._progress.update(self._bars[run_id], completed=done / max(total, 1))
        self._refresh()

    def finished(self, run_id: str, failure: str | None) -> None:
        """Take note that a run has ended, and why if it failed."""
        self._tally.finished(run_id, failure)
        if run_id in self._bars:
            self._progress.remove_task(self._bars.pop(run_id))
        self._refresh()
        title = self._tally.runs[run_id].title
        counts = self._tally.counts
        if self._console.is_terminal:
            if failure:
                self._progress.print(f"failed: {title}: {failure}", markup=False, highlight=False)
            return
        ended = counts["done"] + counts["failed"]
        outcome = f"failed, {title}: {failure}" if failure else title
        said = ", ".join(filter(None, (outcome, self._tally.left)))
        line = f"[{ended}/{self._tally.total}] {duration(self._tally.elapsed)}: {said}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class JsonLines:
    """Tells what happens to the runs as JSON, an object a line, for other programs.

    Every line has ``event`` (``start``, ``progress``, ``finished``, ``end``), the counts ``waiting``,
    ``running``, ``done`` and ``failed``, ``elapsed_s`` and ``left_s``.
    ``progress`` and ``finished`` name the ``run`` and its ``title``; ``progress`` has its ``share`` from
    0 to 1, ``finished`` its ``failure``, null if there was none.

    Parameters
    ----------
    tally
        Of the runs that will be carried out.
    say
        Writes a line.
    every_s
        Seconds between two lines about the progress of one run, at least.
    """

    def __init__(self, tally: Tally, *, say: Callable[[str], object], every_s: float = 1.0) -> None:
        self._tally = tally
        self._say = say
        self._every_s = every_s
        self._told: dict[str, float] = {}

    @contextmanager
    def shown(self) -> Generator[None]:
        """Write a line at the start and, whatever happens, at the end."""
        self.tell("start")
        try:
            yield
        finally:
            self.tell("end")

    def tell(self, event: str, **values: Any) -> None:
        """Write one line."""
        line = {
            "event": event,
            **values,
            **self._tally.counts,
            "elapsed_s": round(self._tally.elapsed, 1),
            "left_s": round(self._tally.seconds_left, 1),
        }
        self._say(json.dumps(line, ensure_ascii=False))

    def progressed(self, run_id: str, done: int, total: int) -> None:
        """Take note that a run has done so much of its work."""
        now = self._tally.elapsed
        if not self._tally.progressed(run_id, done, total):
            return
        if run_id in self._told and now - self._told[run_id] < self._every_s:
            return
        self._told[run_id] = now
        share = round(done / max(total, 1), 4)
        self.tell("progress", run=run_id, title=self._tally.runs[run_id].title, share=share)

    def finished(self, run_id: str, failure: str | None) -> None:
        """Take note that a run has ended, and why if it failed."""
        self._tally.finished(run_id, failure)
        self.tell("finished", run=run_id, title=self._tally.runs[run_id].title, failure=failure)
