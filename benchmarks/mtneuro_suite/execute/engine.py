"""Carrying runs out: what may start, what is waited for, and what became of it."""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from mtneuro_suite.runs.failure import (
    forget,
    no_room,
    note_of,
    of_surroundings,
    read_note,
    reason_of,
    write_note,
)
from mtneuro_suite.runs.lease import LeaseLost, Watch, lease
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import Store, forget_peak_memory
from mtneuro_suite.steps import STEPS, Outcome, Progress

logger = logging.getLogger(__name__)

POLLED_EVERY = 1.0
"""Seconds between two looks at runs that another process holds."""


@runtime_checkable
class Listener(Protocol):
    """Hears what happens to the runs."""

    def progressed(self, run_id: str, done: int, total: int) -> None:
        """Hear that a run has done so much of its work."""
        ...

    def finished(self, run_id: str, failure: str | None) -> None:
        """Hear that a run has ended, and why if it failed."""
        ...


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that failed, or that could not start because one it needs failed."""

    run: Run
    reason: str
    needs_another: bool = False
    """Whether the run itself is blameless."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a run that a pool was given."""

    run: Run
    held: bool = False
    """Whether another process is at work on it."""

    error: BaseException | None = None
    reason: str | None = None
    """One line in place of the error's own."""


@runtime_checkable
class Pool(Protocol):
    """Carries out the runs that it is given."""

    def start(self, run: Run, *, passable: int, again: int | None) -> None:
        """Carry a run out as soon as there is room for it; the arguments are those of `execute`."""
        ...

    def ended(self, seconds: float) -> list[Ended]:
        """Return the runs that have ended since the last call, having waited for one so long at most."""
        ...


class Stopped(Exception):  # noqa: N818
    """Whoever asked for the run has gone; what is done is kept for the next start."""


def execute(run: Run, root: Path, progress: Progress, *, passable: int = 0, again: int | None = None) -> bool:
    """Carry one run out, rename its folder into place, and return whether there is a result.

    There is none where another process holds the run's lease. An interrupted run's folder is kept: what a
    package can take up again from there, it does.

    Parameters
    ----------
    run
        The run; those that it needs are done.
    root
        The output folder.
    progress
        Called with the work done and all of it.
    passable
        Number of another process's lease that is known to be stale.
    again
        The stamp of the result that shall be replaced, None where there shall be none yet. A result with
        another stamp is taken for the one that was asked for.
    """
    import torch

    # Results differ between one thread and two: one thread a run, whatever the number of workers.
    torch.set_num_threads(1)
    store = Store(root)
    base = store.folder(run)
    base.parent.mkdir(parents=True, exist_ok=True)
    held = lease(base, passable=passable)
    if held is None:
        return False

    def watched(done: int, total: int) -> None:
        if not held.confirmed():
            held.check()
        progress(done, total)

    with closing(held):
        if store.stamp(run) != again:
            return True
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        forget_peak_memory()
        started = time.monotonic()
        try:
            outcome = _outcome(run, store, watched)
            held.check()
            store.finish(run, outcome.rows, extra=outcome.extra, seconds=time.monotonic() - started)
        except LeaseLost:
            return False
        except Stopped:
            raise
        except Exception as error:
            write_note(store, run, note_of(run, error))
            raise
        forget(store, run)
    return True


def _outcome(run: Run, store: Store, progress: Progress) -> Outcome:
    """Return what the run's step found: from where an interrupted attempt stopped, else from the start."""
    begun = store.begun(run)
    partial = store.start(run)
    roles = {
        role: [store.folder(run.needs[i]) for i in which]
        for role, which in run.settings.get("roles", {}).items()
    }
    try:
        return STEPS[run.kind](run.settings, roles, partial, progress)
    except (LeaseLost, Stopped):
        raise
    except Exception as error:
        # A checkpoint that cannot be read must not stand in the way of every further attempt.
        if not begun or of_surroundings(error):
            raise
        store.log(run, f"could not go on from what was there ({reason_of(error)}): started anew")
        store.clear(run)
    return STEPS[run.kind](run.settings, roles, partial, progress)


class _Here:
    """Carries runs out in this process, one after the other."""

    def __init__(self, root: Path, listener: Listener) -> None:
        self._root, self._listener = root, listener
        self._ended: list[Ended] = []

    def start(self, run: Run, *, passable: int, again: int | None) -> None:
        def progress(done: int, total: int) -> None:
            self._listener.progressed(run.id, done, total)

        progress(0, 1)
        try:
            done = execute(run, self._root, progress, passable=passable, again=again)
            self._ended.append(Ended(run, held=not done))
        except Exception as error:
            logger.info("%s failed", run.title, exc_info=True)
            self._ended.append(Ended(run, error=error))

    def ended(self, seconds: float) -> list[Ended]:
        if not self._ended:
            time.sleep(seconds)
        ended, self._ended = self._ended, []
        return ended


class _Board:
    """Which runs wait, work and have ended."""

    def __init__(
        self, runs: Sequence[Run], store: Store, listener: Listener, again: Mapping[str, int]
    ) -> None:
        self.waiting = {run.id: run for run in runs}
        self.working: set[str] = set()
        self.failures: dict[str, Failure] = {}
        self._held: set[str] = set()
        self._watch = Watch()
        self._store, self._listener, self._again = store, listener, again
        self._no_room = ""

    def start(self, pool: Pool, room: Callable[[], bool]) -> None:
        """Give the pool every run that can start, and settle those that another process has ended."""
        for run in list(self.waiting.values()):
            if not room():
                return
            broken = next((need for need in run.needs if need.id in self.failures), None)
            if self._no_room:
                self._end(run, Failure(run, f"not run, because {self._no_room}", needs_another=True))
            elif broken:
                reason = f"not run, because it needs {broken.title!r}, which failed"
                self._end(run, Failure(run, reason, needs_another=True))
            elif any(need.id in self.waiting or need.id in self.working for need in run.needs):
                continue
            elif self._store.stamp(run) != self._again.get(run.id):
                self._end(run)
            elif note := read_note(self._store, run):
                self._end(run, Failure(run, note.reason))
            else:
                passable = 0
                if run.id in self._held:
                    seen = self._watch.passable(self._store.folder(run))
                    if seen is None:
                        continue
                    passable = seen
                del self.waiting[run.id]
                self.working.add(run.id)
                pool.start(run, passable=passable, again=self._again.get(run.id))

    def hear(self, ended: Ended) -> None:
        """Note what became of a run."""
        run, error = ended.run, ended.error
        self.working.discard(run.id)
        if ended.held:
            self._held.add(run.id)
            self.waiting[run.id] = run
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


def carried_out(
    runs: Sequence[Run],
    store: Store,
    listener: Listener,
    pool: Pool,
    *,
    again: Mapping[str, int] | None = None,
    at_once: int | None = None,
) -> list[Failure]:
    """Carry runs out over a pool and return those that failed; one that fails stops those that need it.

    A run that another process holds is waited for, and taken over should that process die. A run whose
    failure is on record is not tried again: see `mtneuro_suite.runs.failure.forget`.

    Parameters
    ----------
    runs
        What to do, needs first. Needs that are not among them are done.
    store
        Where the results are.
    listener
        Hears of each run.
    pool
        Does the work.
    again
        Stamps of the results that shall be replaced, by run.
    at_once
        How many runs the pool is given at once; all that can start by default.
    """
    board = _Board(runs, store, listener, again or {})
    while board.waiting or board.working:
        board.start(pool, lambda: at_once is None or len(board.working) < at_once)
        if board.waiting or board.working:
            for ended in pool.ended(POLLED_EVERY):
                board.hear(ended)
    return list(board.failures.values())


def run_here(
    runs: Sequence[Run], store: Store, listener: Listener, *, again: Mapping[str, int] | None = None
) -> list[Failure]:
    """Carry the runs out one after the other in this process; one that fails stops those that need it."""
    return carried_out(runs, store, listener, _Here(store.root, listener), again=again, at_once=1)


def cuda_devices() -> int:
    """Return how many GPUs torch can use here."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def default_workers() -> int:
    """Return one worker for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
