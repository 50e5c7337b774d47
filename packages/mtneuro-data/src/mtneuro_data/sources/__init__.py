"""The kinds of storage a volume may lie in; a new one is one file here and one line below."""

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mtneuro_data.settings import nearest
from mtneuro_data.volume import Source

if TYPE_CHECKING:
    from mtneuro_data.cache import Cache
    from mtneuro_data.sources.boss import BossServer

__all__ = ["opened"]

_WEB_ADDRESS = re.compile(
    r"(?P<protocol>https?)://(?P<host>[^/]+)/v1/mgmt/resources/(?P<channel>[^/]+/[^/]+/[^/]+)/?"
)
SCHEMES = ("bossdb", "file", "gs", "http", "https", "phantom", "s3")


def opened(
    uri: str,
    /,
    *,
    cache: "Cache | None" = None,
    server: "BossServer | None" = None,
    writable: bool = False,
) -> Source:
    """Return the opened storage that a URI names; see `mtneuro_data.open_volume`."""
    scheme, mark, rest = uri.partition("://")
    if not mark or scheme == "file":
        from mtneuro_data.sources.files import open_path

        return open_path(urlsplit(uri).path if mark else uri, writable=writable)
    if found := _WEB_ADDRESS.fullmatch(uri):
        # The database's own web address of a channel, as the paper prints it.
        from mtneuro_data.sources.boss import BossServer

        token = BossServer.from_environment().token
        server = server or BossServer(host=found["host"], protocol=found["protocol"], token=token)
        return opened(f"bossdb://{found['channel']}", cache=cache, server=server)
    if scheme in ("gs", "http", "https", "s3"):
        from mtneuro_data.sources.files import level_number
        from mtneuro_data.sources.zarr_store import open_zarr

        address, mark, key = uri.partition("#")
        return open_zarr(address, level=level_number(uri, key if mark else None))
    if scheme == "bossdb":
        from mtneuro_data.sources.boss import BossServer, BossSource, parsed_uri

        channel = parsed_uri(uri)
        server = server or BossServer.from_environment()
        if cache is None:
            return BossSource(channel, server=server)
        return cache.source(
            (server.host, *channel.path, channel.level), uri, lambda: BossSource(channel, server=server)
        )
    if scheme == "phantom":
        from mtneuro_data.sources.phantom_volume import cache_key, open_phantom

        if cache is None:
            return open_phantom(uri)
        return cache.source(cache_key(uri), uri, lambda: open_phantom(uri))
    raise ValueError(f'unknown kind of volume "{scheme}://{rest}"; {nearest(scheme, SCHEMES)}, or a path')
