"""``mtneuro-data view``: look at a volume in a browser."""

import os
import sys
import threading
import webbrowser
from collections.abc import Iterator

from mtneuro_data.commands._task import cache_for


def view(
    uri: str | None = None,
    /,
    *,
    labels: str | None = None,
    at: tuple[int, int, int] | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    no_open: bool = False,
) -> Iterator[str]:
    """Look at a volume, and at labels over it, in Neuroglancer, until Ctrl-C.

    The viewer and the voxels are served by this command: nothing is fetched from elsewhere but the volume
    itself, and of that only the slices that you look at. Whoever has the link may see the volume. Needs
    `pip install 'mtneuro-data[view]'` and a browser with WebGL 2.

    Example: `mtneuro-data view em.zarr --labels cells.tif`

    Example: `mtneuro-data view bossdb://prasad/prasad2020/image --at 159 1000 4700`

    Parameters
    ----------
    uri
        The volume's URI or path; without one, the phantom with its pixel labels.
    labels
        URI or path of a volume of labels to show over it.
    at
        The voxel to show first, z y x; by default the middle of the volume.
    host
        Address to listen on; the loopback address is reached from this machine only.
    port
        Port to listen on; 0 takes a free one.
    no_open
        Print the link, and open no browser.
    """
    from mtneuro_data.viewing import VolumeView
    from mtneuro_data.volume import open_volume

    if uri is None and labels is not None:
        raise ValueError("--labels are shown over a volume: name it first")
    if uri is None:
        uri, labels = "phantom://image", "phantom://pixel_labels"
        at = at or _IN_CORTEX
    image = open_volume(uri, cache=cache_for(uri))
    over = None if labels is None else open_volume(labels, cache=cache_for(labels))
    shown = VolumeView(image, over, host=host, port=port, at=at, failed=_told)
    try:
        yield shown.link
        tunnel = f"ssh -L {shown.port}:127.0.0.1:{shown.port}"
        yield f"from another machine: {tunnel} and the same link; Ctrl-C ends the view"
        if not no_open and _has_screen():
            webbrowser.open(shown.link)
        _wait()
    except KeyboardInterrupt:
        sys.stderr.write("mtneuro-data: stopped\n")
    finally:
        shown.close()


_IN_CORTEX = (300, 1028, 4728)
"""Where the phantom is shown first: in the middle of the cube A-CTX."""


def _wait() -> None:
    """Wait for an interrupt; on Windows one comes only between two short waits."""
    while not threading.Event().wait(1):
        pass


def _told(line: str) -> None:
    sys.stderr.write(f"mtneuro-data: warning: {line}\n")


def _has_screen() -> bool:
    """Return whether a browser can open a window; one in the terminal would take it over."""
    return sys.platform in ("win32", "darwin") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
