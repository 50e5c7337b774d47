"""The command line of mtneuro-data."""

import sys
from functools import partial

from mtneuro_data._shared.terminal import command_line, run
from mtneuro_data.commands.cache import cache
from mtneuro_data.commands.correlation import correlation
from mtneuro_data.commands.cutout import cutout
from mtneuro_data.commands.doctor import doctor
from mtneuro_data.commands.export import export
from mtneuro_data.commands.fetch import fetch
from mtneuro_data.commands.info import info
from mtneuro_data.commands.interpolate import interpolate
from mtneuro_data.commands.preview import preview
from mtneuro_data.commands.serve import serve
from mtneuro_data.commands.tasks import tasks
from mtneuro_data.commands.view import view

app = command_line(
    "mtneuro-data",
    "Cutouts, tasks and labels of the MTNeuro benchmark. Volumes are named by URI: "
    "bossdb://collection/experiment/channel, phantom://image, a Zarr, .npy, .npz, TIFF or image file, "
    "or a folder of images.",
)
for _command in (
    tasks, info, view, fetch, preview, export, cutout, correlation, interpolate, doctor, serve, cache,
):  # fmt: skip
    app.command(_command)


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit status 2."""
    kept = "what was downloaded is kept"
    sys.exit(run(app, sys.argv[1:], say=partial(print, flush=True), interrupted=kept))
