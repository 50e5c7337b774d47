"""The suite's command line."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial, wraps
from importlib.metadata import version
from typing import Any

from cyclopts import App

from mtneuro_suite._shared.terminal import INTERRUPTED, command_line
from mtneuro_suite._shared.terminal import run as run_app
from mtneuro_suite.commands.compare import compare, leaderboard, record
from mtneuro_suite.commands.plan import plan
from mtneuro_suite.commands.run import run
from mtneuro_suite.commands.submit import submit


def _renamed(function: Callable[..., Any], names: Sequence[tuple[str, str]]) -> Callable[..., Any]:
    """Return a command whose help shows other names, each in place of one that it has."""

    @wraps(function)
    def same(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    for name, shown in names:
        same.__doc__ = (same.__doc__ or "").replace(name, shown)
    return same


def _running(name: str, *names: tuple[str, str]) -> App:
    line = command_line(name, version=False)
    line.default(_renamed(run, names))
    return line


def _comparing(name: str, *names: tuple[str, str]) -> App:
    line = command_line(name, version=False)
    line.default(_renamed(compare, names))
    for command in (record, leaderboard, submit):
        line.command(_renamed(command, names))
    return line


app = command_line(
    "mtneuro",
    "Run the MTNeuro benchmark, from image volumes to the tables of the paper, and compare what it finds.",
)
app.version = partial(version, "mtneuro")
app.command(_running("run"))
app.command(plan)
app.command(_comparing("compare"))
app.command(submit)


def alone(command: str, called: str) -> App:
    """Return one command as a command line of its own.

    Parameters
    ----------
    command
        `run` or `compare`.
    called
        What the user types in place of `mtneuro` and the command; the help shows it.
    """
    if command == "run":
        return _running(called, ("mtneuro run", called))
    return _comparing(called, ("mtneuro compare", called), ("mtneuro submit", f"{called} submit"))


def main(command: str = "", called: str = "mtneuro") -> None:
    """Run the command line, or one command alone; bad input ends with one line and exit status 2."""
    logging.basicConfig(level=os.environ.get("MTNEURO_LOG", "ERROR"))
    # What the packages warn of is in a run's own log; what the suite itself warns of is for the user.
    logging.getLogger("mtneuro_suite").setLevel(os.environ.get("MTNEURO_LOG", "WARNING"))
    running = command == "run" or sys.argv[1:2] in (["run"], ["plan"])
    status = run_app(
        alone(command, called) if command else app,
        sys.argv[1:],
        say=partial(print, flush=True),
        moved={"--plan": "--estimate"} if running else None,
        interrupted="what is done is kept: run the same command again to go on from here",
    )
    if status == INTERRUPTED:
        # Worker threads may still be inside a library's call; their work is not needed, so leave at once.
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
