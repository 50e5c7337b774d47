"""``mtneuro-data cache``: list, verify and clear what has been downloaded."""

import sys
from collections.abc import Iterator

from cyclopts import App

from mtneuro_data._shared.terminal import bar
from mtneuro_data.commands._task import counted

cache = App(name="cache", help="List, check and clear what has been downloaded.")


@cache.command(name="list")
def list_cache() -> Iterator[str]:
    """List the channels in the cache, with their chunks and bytes.

    Example: `mtneuro-data cache list`
    """
    from mtneuro_data.cache.folder import Cache

    held = Cache()
    entries = held.entries()
    for entry in entries:
        yield f"{entry.uri}  {entry.dtype}  {counted(entry.chunks, 'chunk')}  {entry.n_bytes:,} bytes"
    total = sum(entry.n_bytes for entry in entries)
    yield f"{counted(len(entries), 'channel')}, {total:,} bytes in {held.root}"


@cache.command
def verify() -> Iterator[str]:
    """Hash every chunk in the cache, and delete damaged ones, so that they are fetched again.

    Ends with status 1 if any was damaged.

    Example: `mtneuro-data cache verify`
    """
    from mtneuro_data.cache.folder import Cache

    held = Cache()
    checked = counted(sum(entry.chunks for entry in held.entries()), "chunk")
    with bar("verify") as progress:
        damaged = held.verify(progress=progress)
    yield from map(str, damaged)
    yield f"{checked} checked, {len(damaged)} damaged" + (", dropped" if damaged else "")
    if damaged:
        sys.exit(1)


@cache.command
def clear(uri: str | None = None, /) -> Iterator[str]:
    """Remove everything from the cache, or one channel.

    Example: `mtneuro-data cache clear bossdb://prasad/prasad2020/image`

    Parameters
    ----------
    uri
        The channel's URI, as `cache list` shows it; everything by default.
    """
    from mtneuro_data.cache.folder import Cache

    held = Cache()
    yield f"{counted(held.clear(uri), 'channel')} removed from {held.root}"
