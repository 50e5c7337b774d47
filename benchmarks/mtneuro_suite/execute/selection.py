"""Choose the runs that a command does, and the results that it replaces: --only, --retry and --force."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mtneuro_suite._shared.words import unknown_name
from mtneuro_suite.execute.attempt import Attempt
from mtneuro_suite.runs.failure import forget, read_note
from mtneuro_suite.runs.run import Run, with_needs
from mtneuro_suite.runs.store import Store

_NOT_REPEATED = ("--retry", "--force", "--no-retry", "--no-force")


def named_runs(runs: Sequence[Run], names: Sequence[str]) -> list[Run]:
    """Return the runs of these names and what they need, needs first; all where no name is given.

    Raises
    ------
    ValueError
        If there is no run of a name.
    """
    by_id = {run.id: run for run in runs}
    for name in names:
        if name not in by_id:
            raise ValueError(unknown_name("--only", name, by_id))
    return with_needs(by_id[name] for name in names) if names else list(runs)


def to_do(
    runs: Sequence[Run], store: Store, *, named: Sequence[str] = (), force: bool = False
) -> list[Attempt]:
    """Return the runs that a command does, needs first, and the results that they replace.

    Parameters
    ----------
    runs
        Those that are asked for, needs first.
    store
        Where the results are.
    named
        Those that ``--only`` names; without any, ``force`` is for all.
    force
        Whether results that are there are replaced.
    """
    stamps = {run.id: store.stamp(run) for run in runs}
    return [
        Attempt(run, replace=stamps[run.id])
        for run in runs
        if stamps[run.id] is None or (force and (not named or run.id in named))
    ]


def with_costs(attempts: Sequence[Attempt], seconds: Mapping[str, float]) -> list[Attempt]:
    """Return attempts whose runs cost so many seconds, by the runs' names; names stay as they are."""
    return [replace(attempt, run=replace(attempt.run, cost=seconds[attempt.run.id])) for attempt in attempts]


def forget_failures(runs: Sequence[Run], store: Store, *, retry: bool) -> None:
    """Remove the notes of runs that failed, so that they are tried again.

    Without ``retry`` only of those that full memory, a full disk, a lost worker or a network stopped: these
    failures say nothing about the run itself.
    """
    for run in runs:
        note = read_note(store, run)
        if retry or (note is not None and note.of_surroundings):
            forget(store, run)


def repeat_command(words: Sequence[str], run_id: str) -> str:
    """Return the command that repeats one run, from the words of the one that it failed in, its file first.

    Examples
    --------
    >>> repeat_command(["/usr/bin/mtneuro", "run", "--preset", "smoke", "--retry"], "encoder-12")
    'mtneuro run --preset smoke --only encoder-12'
    """
    file, *arguments = words
    script = Path(file).name == "run_all.py"
    command = ["uv", "run", "benchmarks/run_all.py"] if script else ["mtneuro"]
    kept: list[str] = []
    names = False
    for argument in arguments:
        names = argument == "--only" or (names and not argument.startswith("-"))
        if not names and argument not in _NOT_REPEATED and not argument.startswith("--only="):
            kept.append(argument)
    return shlex.join([*command, *kept, "--only", run_id])
