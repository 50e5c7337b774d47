"""The suite's command line."""

import logging
import os
import sys
from functools import partial
from importlib.metadata import version

from cyclopts import App

from mtneuro_suite._shared.terminal import INTERRUPTED, command_line
from mtneuro_suite._shared.terminal import run as run_app
from mtneuro_suite.commands.compare import compare, leaderboard, record
from mtneuro_suite.commands.plan import plan
from mtneuro_suite.commands.run import run
from mtneuro_suite.commands.submit import submit


def _running(name: str) -> App:
    line = command_line(name, version=False)
    line.default(run)
    return line


def _comparing(name: str) -> App:
    line = command_line(name, version=False)
    line.default(compare)
    for command in (record, leaderboard, submit):
        line.command(command)
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
    words = {f"mtneuro {command}": called}
    if command == "compare":
        words["mtneuro submit"] = f"{called} submit"
    for function in (run, compare, record, leaderboard, submit):
        for name, shown in words.items():
            function.__doc__ = (function.__doc__ or "").replace(name, shown)
    return {"run": _running, "compare": _comparing}[command](called)


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
