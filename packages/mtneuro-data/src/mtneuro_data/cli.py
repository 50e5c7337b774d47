"""The command line of mtneuro-data."""

import os
import sys

from cyclopts import App, CycloptsError
from pydantic import ValidationError

from mtneuro_data.commands.cache import cache_app
from mtneuro_data.commands.description import doctor, info, tasks
from mtneuro_data.commands.export import export
from mtneuro_data.commands.fetching import fetch
from mtneuro_data.commands.pictures import correlation, preview
from mtneuro_data.commands.serving import serve
from mtneuro_data.commands.volumes import cutout, interpolate
from mtneuro_data.settings import summary

app = App(
    name="mtneuro-data",
    help=(
        "Cutouts, tasks and labels of the MTNeuro benchmark. Volumes are named by URI: "
        "bossdb://collection/experiment/channel, phantom://image, a Zarr, .npy, .npz, TIFF or image file, "
        "or a folder of images."
    ),
    help_format="markdown",
    suppress_keyboard_interrupt=False,
)
for _command in (tasks, info, fetch, preview, export, cutout, correlation, interpolate, doctor, serve):
    app.command(_command)
app.command(cache_app)


def main() -> None:
    """Run the command line; a mistake of the caller's is one line on stderr and status 2."""
    try:
        told = app(sys.argv[1:], exit_on_error=False, print_error=False, result_action="return_value")
        for line in told or ():
            print(line, flush=True)
    except KeyboardInterrupt:
        print("mtneuro-data: interrupted; what was downloaded is kept", file=sys.stderr)
        sys.exit(130)
    except (CycloptsError, ValueError, OSError) as error:
        if os.environ.get("MTNEURO_TRACEBACK") == "1":
            raise
        print(f"mtneuro-data: error: {' '.join(_message(error).split())}", file=sys.stderr)
        sys.exit(2)


def _message(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return summary(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"
    return str(error)
