"""``mtneuro-data fetch``: download a task into the cache."""

from collections.abc import Iterator
from dataclasses import replace

from mtneuro_data._shared.terminal import bar
from mtneuro_data.commands._task import Splits, named_task


def fetch(
    task: str,
    /,
    *,
    split: Splits = (),
    source: str | None = None,
    double_read: bool = False,
) -> Iterator[str]:
    """Download a task's voxels into the cache, so that later loading needs no network.

    Chunks that are in the cache are not downloaded again; an interrupted download continues where it stopped.

    Example: `mtneuro-data fetch roi-c1 --split train val`

    Parameters
    ----------
    task
        A task's name or file.
    split
        The splits to fetch; all by default.
    source
        Volumes to read in place of the task's own: bossdb, phantom, or phantom?seed=7.
    double_read
        Ask for every block until two answers agree; for a network that corrupts data.
    """
    from mtneuro_data.cache.folder import Cache
    from mtneuro_data.loading import fetch as fetch_task
    from mtneuro_data.sources.boss import BossServer

    spec = named_task(task, source)
    wanted = spec.split_names(split or tuple(spec.splits))
    cache = Cache()
    server = replace(BossServer.from_environment(), double_read=double_read)
    # A voxel is kept as a byte, so voxels a second are bytes a second.
    with bar("fetch", speed=True) as progress:
        voxels = fetch_task(spec, wanted, cache=cache, server=server, progress=progress)
    yield f"{voxels:,} voxels of {spec.name} written to {cache.root}"
