"""The kinds of storage a volume may lie in; a new one is one file here and one line below."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mtneuro_data.settings import nearest
from mtneuro_data.volume import Source

if TYPE_CHECKING:
    from mtneuro_data.cache import Cache
    from mtneuro_data.sources.boss import BossServer

__all__ = ["opened"]

SCHEMES = ("bossdb", "file", "phantom")


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
