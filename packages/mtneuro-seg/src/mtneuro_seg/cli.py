"""The command line of mtneuro-seg."""

import sys
from functools import partial

from mtneuro_seg._shared.terminal import command_line, run
from mtneuro_seg.commands.evaluate import evaluate
from mtneuro_seg.commands.models import models
from mtneuro_seg.commands.predict import predict
from mtneuro_seg.commands.render import render
from mtneuro_seg.commands.train import MOVED, SETTINGS_HELP, train

app = command_line(
    "mtneuro-seg",
    "Segment microstructure in image volumes with the 2D and 3D networks of the MTNeuro benchmark.",
)
app.command(train, help_epilogue=SETTINGS_HELP)
for _command in (evaluate, render, predict, models):
    app.command(_command)


def main() -> None:
    """Run the command line; a wrong input ends it with one line and status 2."""
    moved = MOVED if sys.argv[1:2] == ["train"] else None
    sys.exit(run(app, sys.argv[1:], say=partial(print, flush=True), moved=moved))
