"""The command line of mtneuro-probe."""

import sys
from functools import partial

from mtneuro_probe._shared.terminal import command_line, run
from mtneuro_probe.commands.compare import compare
from mtneuro_probe.commands.features import features
from mtneuro_probe.commands.map import map as map_
from mtneuro_probe.commands.points import points
from mtneuro_probe.commands.readout import readout
from mtneuro_probe.commands.umap import umap

app = command_line(
    "mtneuro-probe",
    "Test what embeddings know about tissue: measure label images, read the measurements out of "
    "embeddings, map them, and draw the results.",
)
for command in (features, points, readout, map_, umap, compare):
    app.command(command)


_EARLIER = {"--n-neighbors": "--neighbours", "--n-neighbours": "--neighbours"}
"""Earlier names of options, which are still read."""


def main() -> None:
    """Run the command line on the process's arguments, and end with its status."""
    told = "files that it had written are complete"
    sys.exit(run(app, sys.argv[1:], say=partial(print, flush=True), earlier=_EARLIER, interrupted=told))
