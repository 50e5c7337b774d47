"""Carry out one run under its lease, resuming an interrupted attempt where there is one."""

from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mtneuro_suite.runs.failure import forget, note_of, of_surroundings, reason_of, write_note
from mtneuro_suite.runs.lease import LeaseLost, lease
from mtneuro_suite.runs.logs import logging_to
from mtneuro_suite.runs.meter import Meter
from mtneuro_suite.runs.provenance import forget_peak_memory
from mtneuro_suite.runs.repair import DamagedInputError, check_inputs, set_aside_damaged
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.step import Outcome, Progress
from mtneuro_suite.runs.store import Store


@dataclass(frozen=True, slots=True)
class Attempt:
    """A run to be carried out, and which older result or stale lease it may replace."""

    run: Run
    replace: int | None = field(default=None, kw_only=True)
    """Stamp of the result to replace; None if there should be none yet. A result with another stamp is
    newer, so it counts as the one that was asked for."""

    stale_lease: int = field(default=0, kw_only=True)
    """Number of another process's lease that is known to be stale."""

    logs: tuple[str, ...] = field(default=(), kw_only=True)
    """Where its trainings are logged, by name; see `mtneuro_suite.runs.logs`."""


class Stopped(Exception):  # noqa: N818
    """The process that asked for the run has gone; the work so far is kept for the next start."""


def execute(attempt: Attempt, root: Path, progress: Progress) -> bool:
    """Carry out one run, rename its folder into place, and return whether there is a result.

    There is none where another process holds the run's lease. An interrupted run's folder is kept, and
    its packages resume from it where they can.

    Parameters
    ----------
    attempt
        The run; those that it needs are done.
    root
        The output folder.
    progress
        Called with the work done and all of it.
    """
    import torch

    # Results differ between one thread and two: one thread a run, whatever the number of workers.
    torch.set_num_threads(1)
    store, run = Store(root), attempt.run
    base = store.folder(run)
    base.parent.mkdir(parents=True, exist_ok=True)
    held = lease(base, stale_lease=attempt.stale_lease)
    if held is None:
        return False

    def watched(meter: Meter, done: int, total: int) -> None:
        if not held.confirmed():
            held.check()
        meter.save()
        progress(done, total)

    with closing(held):
        if store.stamp(run) not in (None, attempt.replace):
            return True
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        forget_peak_memory()
        with closing(Meter(store.partial(run))) as meter:
            try:
                with logging_to(attempt.logs, root, f"{run.title}, {run.id}"):
                    outcome = _do(run, store, partial(watched, meter))
                held.check()
                spent = meter.spent()
                store.finish(run, outcome.rows, extra=outcome.extra, seconds=spent.seconds, spent=spent)
            except LeaseLost:
                return False
            except (Stopped, KeyboardInterrupt):
                if held.confirmed():
                    meter.save(now=True)
                raise
            except Exception as error:
                try:
                    held.check()
                except LeaseLost:
                    return False  # the files that it missed are the other's by now
                meter.save(now=True)
                write_note(store, run, note_of(run, error))
                raise
        forget(store, run)
    return True


def _do(run: Run, store: Store, progress: Progress) -> Outcome:
    """Do the run's step; start it afresh if it cannot resume what an interrupted attempt left."""
    check_inputs(run, store)
    begun = store.begun(run)
    partial = store.start(run)
    for need in run.needed:
        # Steps import what the results that they read name: it must be what was planned, and so trusted.
        store.check_settings(need)
    roles = {role: [store.folder(need) for need in needs] for role, needs in run.needs.items()}
    try:
        return run.step.run(roles, partial, progress)
    except (LeaseLost, Stopped):
        raise
    except Exception as error:
        if damage := set_aside_damaged(run.needed, store):
            raise DamagedInputError(damage) from error
        # An unreadable checkpoint must not make every further attempt fail.
        if not begun or of_surroundings(error):
            raise
        store.log(run, f"could not resume the interrupted attempt ({reason_of(error)}): restarted")
        store.clear(run)
    return run.step.run(roles, partial, progress)
