"""Check step by step whether the benchmark's data can be reached, and say how to fix what is wrong."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from mtneuro_data._shared.digests import array_digest
from mtneuro_data._shared.files import written_beside
from mtneuro_data._shared.words import one_line
from mtneuro_data.box import Box
from mtneuro_data.cache.folder import Cache
from mtneuro_data.sources.boss import BossServer, BossSource, parsed_uri
from mtneuro_data.task import CHANNELS

# A corner of set A's cortex cube: inside the tissue, and small.
_BOX = Box((159, 900, 4600), (161, 964, 4664))


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Examples
    --------
    >>> Finding("cache", True, "writable").ok
    True
    """

    what: str
    """What was checked."""

    ok: bool
    """Whether the check passed."""

    words: str
    """What was found, and how to fix it."""


def findings(*, server: BossServer | None = None, cache: Cache | None = None) -> Iterator[Finding]:
    """Check the cache, the host, the credentials, the benchmark's channels and a small cutout of each.

    Parameters
    ----------
    server
        The database; by default the public one, or what the environment says.
    cache
        The cache; by default the user's.
    """
    server = server or BossServer.from_environment()
    yield _tried("cache", lambda: _cache(cache or Cache()))
    reached = _tried("host", lambda: _host(server))
    yield reached
    if not reached.ok:
        return
    sources: dict[str, BossSource] = {}
    for name, uri in CHANNELS.items():

        def described(name: str = name, uri: str = uri) -> str:
            source = BossSource(parsed_uri(uri), server=server)
            sources[name] = source
            return f"{uri}: {source.dtype}, shape {source.shape}, voxel {source.voxel_size_um} um"

        yield _tried(f"channel {name}", described)
    for name, source in sources.items():
        if all(hi <= size for hi, size in zip(_BOX.upper, source.shape, strict=True)):
            yield _tried(f"cutout of {name}", lambda source=source: _cutout(source))


def _tried(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except (OSError, ValueError) as error:
        return Finding(what, False, one_line(error))


def _cache(cache: Cache) -> str:
    with written_beside(cache.root / ".doctor") as beside:
        beside.write_text("written to check that the folder is writable")
    (cache.root / ".doctor").unlink()
    free = shutil.disk_usage(cache.root).free
    held = sum(entry.n_bytes for entry in cache.entries())
    return f"{cache.root}: writable, {held / 1e9:.2f} GB held, {free / 1e9:.0f} GB free"


def _host(server: BossServer) -> str:
    place = urlsplit(server.address)
    host, number = place.hostname or "", place.port or {"https": 443, "http": 80}[server.protocol]
    proxies = [name for name in ("HTTPS_PROXY", "HTTP_PROXY") if os.environ.get(name)]
    whose = "the public token" if server.token == BossServer().token else "a token of your own"
    try:
        socket.create_connection((host, number), timeout=5).close()
    except socket.gaierror as error:
        raise ConnectionError(
            f"the host name {host} cannot be resolved; check the network and the variable INTERN_HOST"
        ) from error
    except OSError as error:
        hint = f"; the proxy of {proxies[0]} may still reach it" if proxies else ""
        raise ConnectionError(f"{host} does not answer on port {number}: {one_line(error)}{hint}") from error
    return f"{server.protocol}://{server.host} answers; {whose} is used"


def _cutout(source: BossSource) -> str:
    voxels = source.read(_BOX)
    return f"{voxels.shape} voxels, values {voxels.min()} to {voxels.max()}, digest {array_digest(voxels)}"
