"""The command line of mtneuro-ssl."""

import sys
from functools import partial

from mtneuro_ssl._shared.terminal import command_line, run
from mtneuro_ssl.commands.embed import embed
from mtneuro_ssl.commands.export import export
from mtneuro_ssl.commands.import_ import import_
from mtneuro_ssl.commands.map import map_
from mtneuro_ssl.commands.methods import methods
from mtneuro_ssl.commands.probe import probe
from mtneuro_ssl.commands.push import push
from mtneuro_ssl.commands.reconstruct import reconstruct
from mtneuro_ssl.commands.segment import segment
from mtneuro_ssl.commands.train import MOVED, SETTINGS_HELP, train
from mtneuro_ssl.commands.views import views

app = command_line(
    "mtneuro-ssl",
    "Learn representations of image volumes, and turn images into embeddings.",
)
app.command(train, help_epilogue=SETTINGS_HELP)
for command in (embed, probe, segment, views, reconstruct, methods, export, push):
    app.command(command)
app.command(map_, name="map")
app.command(import_, name="import")


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit status 2."""
    moved = {"--slices": "--z, such as --z 2:4"}
    if sys.argv[1:2] == ["train"]:
        moved |= MOVED
    sys.exit(run(app, sys.argv[1:], say=partial(print, flush=True), moved=moved))
