"""Decide which runs may start, wait for those that other processes hold, and note what became of each."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

from mtneuro_suite.execute.attempt import Attempt, execute
from mtneuro_suite.runs.failure import Failure, no_room, note_of, read_note, reason_of, write_note
from mtneuro_suite.runs.lease import Watch
from mtneuro_suite.runs.run import Run, seconds_ahead
from mtneuro_suite.runs.store import Store

logger = logging.getLogger(__name__)

POLLED_EVERY = 1.0
"""Seconds between two looks at runs that another process holds."""


@runtime_checkable
class Listener(Protocol):
    """Is told what happens to the runs."""

    def progressed(self, run_id: str, done: int, total: int) -> None:
        """Take note that a run has done so much of its work."""

    def finished(self, run_id: str, failure: str | None) -> None:
        """Take note that a run has ended, and why if it failed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a run that a pool was given."""

    attempt: Attempt
    held: bool = False
    """Whether another process is working on it."""

    error: BaseException | None = None
    reason: str | None = None
    """One line in place of the error's own."""


@runtime_checkable
class Pool(Protocol):
    """Carries out the runs that it is given."""

    def start(self, attempt: Attempt) -> None:
        """Carry out a run as soon as there is room for it."""

    def ended(self, seconds: float) -> list[Ended]:
        """Return the runs that have ended since the last call, having waited for one so long at most."""
        ...


class _Here:
    """Carries out runs in this process, one after the other."""

    def __init__(self, root: Path, listener: Listener) -> None:
        self._root, self._listener = root, listener
        self._ended: list[Ended] = []

    def start(self, attempt: Attempt) -> None:
        progress = partial(self._listener.progressed, attempt.run.id)
        progress(0, 1)
        try:
            done = execute(attempt, self._root, progress)
            self._ended.append(Ended(attempt, held=not done))
        except Exception as error:
            logger.info("%s failed", attempt.run.title, exc_info=True)
            self._ended.append(Ended(attempt, error=error))

    def ended(self, seconds: float) -> list[Ended]:
        if not self._ended:
            time.sleep(seconds)
        ended, self._ended = self._ended, []
        return ended


class _Board:
    """Keeps track of which runs wait, are at work, or have ended."""

    def __init__(self, attempts: Sequence[Attempt], store: Store, listener: Listener) -> None:
        self.waiting = {attempt.run.id: attempt for attempt in attempts}
        runs = [attempt.run for attempt in attempts]
        # The longest chain starts first, so that no long run is left for the end, while other workers idle.
        self._ahead = seconds_ahead(runs, {run.id: run.cost for run in runs})
        self.working: set[str] = set()
        self.failures: dict[str, Failure] = {}
        self._held: set[str] = set()
        self._watch = Watch()
        self._store, self._listener = store, listener
        self._no_room = ""

    def start(self, pool: Pool, room: Callable[[], bool]) -> None:
        """Give the pool every run that can start, and end those that another process has done."""
        for attempt in sorted(self.waiting.values(), key=lambda one: -self._ahead[one.run.id]):
            if not room():
                return
            run = attempt.run
            broken = next((need for need in run.needed if need.id in self.failures), None)
            if self._no_room:
                self._end(run, Failure(run, f"not run, because {self._no_room}", needs_another=True))
            elif broken:
                reason = f"not run, because it needs {broken.title!r}, which failed"
                self._end(run, Failure(run, reason, needs_another=True))
            elif any(need.id in self.waiting or need.id in self.working for need in run.needed):
                continue
            elif self._store.stamp(run) not in (None, attempt.replace):
                self._end(run)
            elif note := read_note(self._store, run):
                self._end(run, Failure(run, note.reason))
            else:
                stale = self._watch.stale_lease(self._store.folder(run)) if run.id in self._held else 0
                if stale is None:
                    continue
                del self.waiting[run.id]
                self.working.add(run.id)
                pool.start(replace(attempt, stale_lease=stale))

    def hear(self, ended: Ended) -> None:
        """Note what became of a run."""
        run, error = ended.attempt.run, ended.error
        self.working.discard(run.id)
        if ended.held:
            self._held.add(run.id)
            self.waiting[run.id] = ended.attempt
        elif error is None:
            self._end(run)
        else:
            if read_note(self._store, run) is None:
                write_note(self._store, run, note_of(run, error, reason=ended.reason))
            if no_room(error):
                self._no_room = "the disk is full or cannot be written"
            self._end(run, Failure(run, ended.reason or reason_of(error)))

    def _end(self, run: Run, failure: Failure | None = None) -> None:
        self.waiting.pop(run.id, None)
        if failure:
            self.failures[run.id] = failure
        self._listener.finished(run.id, failure.reason if failure else None)


def carry_out(
    attempts: Sequence[Attempt],
    store: Store,
    listener: Listener,
    pool: Pool,
    *,
    at_once: int | None = None,
) -> list[Failure]:
    """Carry out runs over a pool and return those that failed; one that fails stops those that need it.

    A run that another process holds is waited for, and taken over should that process die. A run whose
    failure is on record is not tried again: see `mtneuro_suite.runs.failure.forget`.

    Parameters
    ----------
    attempts
        What to do, needs first. Needs that are not among them are done.
    store
        Where the results are.
    listener
        Is told of each run.
    pool
        Does the work.
    at_once
        How many runs the pool is given at once; all that can start by default.
    """
    board = _Board(attempts, store, listener)
    while board.waiting or board.working:
        board.start(pool, lambda: at_once is None or len(board.working) < at_once)
        if board.waiting or board.working:
            for ended in pool.ended(POLLED_EVERY):
                board.hear(ended)
    return list(board.failures.values())


def run_here(attempts: Sequence[Attempt], store: Store, listener: Listener) -> list[Failure]:
    """Carry out the runs one after the other in this process; one that fails stops those that need it."""
    return carry_out(attempts, store, listener, _Here(store.root, listener), at_once=1)
