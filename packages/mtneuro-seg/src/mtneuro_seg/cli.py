"""The command line of mtneuro-seg."""

import sys
from collections.abc import Mapping
from functools import partial

from mtneuro_seg._shared.terminal import command_line, run
from mtneuro_seg.commands.evaluate import evaluate
from mtneuro_seg.commands.export import export
from mtneuro_seg.commands.finetune import finetune
from mtneuro_seg.commands.import_ import import_
from mtneuro_seg.commands.models import models
from mtneuro_seg.commands.predict import predict
from mtneuro_seg.commands.push import push
from mtneuro_seg.commands.render import render
from mtneuro_seg.commands.suggest import suggest
from mtneuro_seg.commands.train import MOVED, SETTINGS_HELP, train

app = command_line(
    "mtneuro-seg",
    "Segment microstructure in image volumes with the 2D and 3D networks of the MTNeuro benchmark.",
)
app.command(train, help_epilogue=SETTINGS_HELP)
for _command in (evaluate, render, predict, suggest, finetune, models, export, push):
    app.command(_command)
app.command(import_, name="import")


_EARLIER = {"--out": "--output"}
"""Earlier names of options, which are still read."""

_MODEL_AND = {"--folder": "the argument MODEL, before all others"}
_MOVED: Mapping[str, Mapping[str, str]] = {
    "train": MOVED | {"--images": "the argument IMAGES, before all others"},
    "predict": _MODEL_AND | {"--volume": "the argument VOLUME, after MODEL"},
    "evaluate": _MODEL_AND | {"--images": "the argument IMAGES, after MODEL"},
    "render": {"--labels": "the argument LABELS"},
}
"""Options of each command that have a new form."""


def main() -> None:
    """Run the command line; a wrong input ends it with one line and status 2."""
    words = sys.argv[1:]
    moved = _MOVED.get(words[0]) if words else None
    sys.exit(run(app, words, say=partial(print, flush=True), moved=moved, earlier=_EARLIER))
