"""Carry one run out under its lease: from where an interrupted attempt stopped, else from the start."""

import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from mtneuro_suite.runs.failure import forget, note_of, of_surroundings, reason_of, write_note
from mtneuro_suite.runs.lease import LeaseLost, lease
from mtneuro_suite.runs.provenance import forget_peak_memory
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.step import Outcome, Progress
from mtneuro_suite.runs.store import Store


@dataclass(frozen=True, slots=True)
class Attempt:
    """A run to be carried out, and what of others' work it may pass over."""

    run: Run
    replace: int | None = field(default=None, kw_only=True)
    """Stamp of the result that shall be replaced, None where there shall be none yet. A result with another
    stamp is taken for the one that was asked for."""

    stale_lease: int = field(default=0, kw_only=True)
    """Number of another process's lease that is known to be stale."""


class Stopped(Exception):  # noqa: N818
    """Whoever asked for the run has gone; what is done is kept for the next start."""


def execute(attempt: Attempt, root: Path, progress: Progress) -> bool:
    """Carry one run out, rename its folder into place, and return whether there is a result.

    There is none where another process holds the run's lease. An interrupted run's folder is kept: what a
    package can take up again from there, it does.

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

    def watched(done: int, total: int) -> None:
        if not held.confirmed():
            held.check()
        progress(done, total)

    with closing(held):
        if store.stamp(run) != attempt.replace:
            return True
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        forget_peak_memory()
        started = time.monotonic()
        try:
            outcome = _do(run, store, watched)
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


def _do(run: Run, store: Store, progress: Progress) -> Outcome:
    """Do the run's step, anew if it cannot go on from what an interrupted attempt left."""
    begun = store.begun(run)
    partial = store.start(run)
    roles = {role: [store.folder(need) for need in needs] for role, needs in run.needs.items()}
    try:
        return run.step.run(roles, partial, progress)
    except (LeaseLost, Stopped):
        raise
    except Exception as error:
        # A checkpoint that cannot be read must not stand in the way of every further attempt.
        if not begun or of_surroundings(error):
            raise
        store.log(run, f"could not go on from what was there ({reason_of(error)}): started anew")
        store.clear(run)
    return run.step.run(roles, partial, progress)
