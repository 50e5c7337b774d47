"""Check step by step whether data can be reached, and say how to fix what is wrong."""

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
from mtneuro_data.sources.base import Source
from mtneuro_data.sources.boss import BossServer, BossSource, parsed_uri
from mtneuro_data.sources.stores import Store
from mtneuro_data.task import CHANNELS
from mtneuro_data.volume import open_volume

_MIDDLE = (2, 64, 64)
"""Voxels of the cutout in the middle of a volume, at most."""

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


def findings(
    uri: str | None = None, /, *, server: BossServer | None = None, cache: Cache | None = None
) -> Iterator[Finding]:
    """Check the cache, the host, the credentials, a volume's description and a small cutout of it.

    Parameters
    ----------
    uri
        The volume, as for `mtneuro_data.open_volume`, of which the middle is read; by default the
        benchmark's channels are checked.
    server
        The database; by default the public one, or what the environment says.
    cache
        The cache; by default the user's.
    """
    server = server or BossServer.from_environment()
    yield _tried("cache", lambda: _cache(cache or Cache()))
    if uri is not None:
        yield from _of_volume(uri, server)
        return
    reached = _tried("host", lambda: _host(server.address, _whose(server), "the variable INTERN_HOST"))
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
            yield _tried(f"cutout of {name}", lambda source=source: _cutout(source, _BOX))


def _of_volume(uri: str, server: BossServer) -> Iterator[Finding]:
    """Check any volume: its host if it is read over a network, its description, and its middle."""
    address = uri.removeprefix("precomputed://").partition("#")[0]
    scheme = urlsplit(address).scheme
    if scheme == "bossdb":
        host = _tried("host", lambda: _host(server.address, _whose(server), "the variable INTERN_HOST"))
    elif scheme in ("http", "https"):
        host = _tried("host", lambda: _host(address, "no token", "the address"))
    elif scheme in ("s3", "gs"):
        host = _tried("credentials", lambda: Store(uri, address).credentials)
    else:
        host = Finding("disk", True, "read directly")
    yield host
    if not host.ok:
        return
    opened: list[Source] = []

    def described() -> str:
        volume = open_volume(uri, server=server)
        opened.append(volume.source)
        size = "not stated" if volume.voxel_size_um is None else f"{volume.voxel_size_um} um"
        more = [f"offset {volume.offset}"] if any(volume.offset) else []
        more += [volume.kind] if volume.kind else []
        more += [volume.source.encoding] if volume.source.encoding else []
        told = "".join(f", {each}" for each in more)
        return f"{uri}: {volume.dtype}, shape {volume.shape}, voxel {size}{told}"

    yield _tried("volume", described)
    for source in opened:
        lower = [max(0, size // 2 - part // 2) for size, part in zip(source.shape, _MIDDLE, strict=True)]
        upper = [min(size, lo + part) for size, lo, part in zip(source.shape, lower, _MIDDLE, strict=True)]
        box = Box((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2]))
        yield _tried("cutout of its middle", lambda source=source, box=box: _cutout(source, box))


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


def _whose(server: BossServer) -> str:
    return "the public token" if server.token == BossServer().token else "a token of your own"


def _host(address: str, whose: str, named_by: str) -> str:
    place = urlsplit(address)
    host, number = place.hostname or "", place.port or {"https": 443, "http": 80}[place.scheme]
    proxies = [name for name in ("HTTPS_PROXY", "HTTP_PROXY") if os.environ.get(name)]
    try:
        socket.create_connection((host, number), timeout=5).close()
    except socket.gaierror as error:
        raise ConnectionError(
            f"the host name {host} cannot be resolved; check the network and {named_by}"
        ) from error
    except OSError as error:
        hint = f"; the proxy of {proxies[0]} may still reach it" if proxies else ""
        raise ConnectionError(f"{host} does not answer on port {number}: {one_line(error)}{hint}") from error
    return f"{place.scheme}://{place.netloc} answers; {whose} is used"


def _cutout(source: Source, box: Box) -> str:
    voxels = source.read(box)
    return f"{voxels.shape} voxels, values {voxels.min()} to {voxels.max()}, digest {array_digest(voxels)}"
