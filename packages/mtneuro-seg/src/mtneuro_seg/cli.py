"""The command line of mtneuro-seg."""

import os
import sys

from cyclopts import App, CycloptsError
from pydantic import ValidationError

from mtneuro_seg.commands.evaluation import evaluate
from mtneuro_seg.commands.prediction import predict
from mtneuro_seg.commands.rendering import render
from mtneuro_seg.commands.training import train
from mtneuro_seg.networks import model_names, network

app = App(
    name="mtneuro-seg",
    help="Segment microstructure in image volumes with the 2D and 3D networks of the MTNeuro benchmark.",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
)
for _command in (train, evaluate, render, predict):
    app.command(_command)


@app.command
def models() -> str:
    """List the networks: dimension, where the code comes from, the sizes they take, and their paper.

    Example: mtneuro-seg models
    """
    lines = [f"{'name':<15}{'axes':<6}{'from':<29}{'size (multiples of)':<21}paper"]
    for name in model_names():
        entry = network(name)
        size = " x ".join(map(str, entry.size_rule().multiple))
        about = f"{entry.title}, {entry.paper}"
        lines.append(f"{name:<15}{entry.axes}D{'':<4}{entry.family:<29}{size:<21}{about}")
    return "\n".join(lines)


def _one_line(error: BaseException) -> str:
    if isinstance(error, CycloptsError) and isinstance(error.__cause__, ValidationError):
        return _one_line(error.__cause__)
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        got = "" if fault["type"] == "value_error" else f", got {fault['input']!r}"
        return f"{where}: {fault['msg'].removeprefix('Value error, ')}{got}".removeprefix(": ")
    told = error.strerror if isinstance(error, OSError) and error.filename is None else None
    return " ".join((told or str(error)).split())


def main() -> None:
    """Run the command line; a wrong input ends it with one line and status 2."""
    try:
        told = app(sys.argv[1:], exit_on_error=False, print_error=False, result_action="return_value")
        if told is not None:
            print(told)
    except (CycloptsError, ValueError, OSError) as error:
        if os.environ.get("MTNEURO_TRACEBACK") == "1":
            raise
        print(f"mtneuro-seg: error: {_one_line(error)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("mtneuro-seg: interrupted; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
