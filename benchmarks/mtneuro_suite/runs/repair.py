"""Notice damaged results, and clear away what killed processes left."""

import re
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from mtneuro_suite._shared.files import remove
from mtneuro_suite.runs.lease import lease
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import LOG, Store

_RUN = re.compile(r"[a-z_]+-[0-9a-f]{16}")
"""A run's name, in that of a file beside its folder."""


class DamagedInputError(OSError):
    """A run's input is damaged; the next start makes it again, and then the run."""

    def __init__(self, damage: Sequence[str]) -> None:
        super().__init__(
            f"an input is damaged: {damage[0]}; run the same command again to repeat its run"
            + (f" (and {len(damage) - 1} more)" if len(damage) > 1 else "")
        )


def check_inputs(run: Run, store: Store) -> None:
    """Check that the results that a run reads are there and of the length that they were written with.

    Raises
    ------
    DamagedInputError
        If one is not.
    """
    damaged = [damage for need in run.needed if (damage := store.damage(need))]
    if damaged:
        raise DamagedInputError(damaged)


def set_aside_damaged(runs: Sequence[Run], store: Store) -> list[str]:
    """Compare the contents of finished runs with what was written, take those that differ for undone.

    Parameters
    ----------
    runs
        The runs; those that another process is making again are left to it.
    store
        Where the results are.

    Returns
    -------
    damage
        What is wrong with each that is now undone.
    """
    found: list[str] = []
    for run in runs:
        if store.damage(run, thoroughly=True) and (held := lease(store.folder(run))):
            with closing(held):
                # Once more: another process may have made it again meanwhile.
                if damage := store.damage(run, thoroughly=True):
                    store.set_aside(run)
                    found.append(damage)
    return found


def tidy(runs: Sequence[Run], store: Store) -> None:
    """Remove what killed processes left beside finished runs; what another process holds is left to it.

    A forced attempt that was interrupted stays, for the next to go on from.
    """
    folder = store.root / "runs"
    beside: dict[str, list[Path]] = defaultdict(list)
    for path in folder.glob("*"):
        if (match := _RUN.search(path.name)) and match[0] != path.name:
            beside[match[0]].append(path)
    for run in runs:
        if run.id not in beside or not store.done(run):
            continue
        if held := lease(store.folder(run)):
            # Closing it removes dead processes' leases too.
            with closing(held):
                for path in beside[run.id]:
                    if ".lease-" not in path.name and not (path / LOG).exists():
                        remove(path)
