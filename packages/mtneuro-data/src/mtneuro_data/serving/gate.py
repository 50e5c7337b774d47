"""The gate of the server: everything that a request must satisfy before any of its body is read."""

import hmac
import re
from email.message import Message
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

import numpy as np

from mtneuro_data._shared.bounds import MemoryBoundError, check_memory
from mtneuro_data.box import Box
from mtneuro_data.serving.service import Service

LARGEST_CUTOUT = 520 << 20
"""Most bytes of voxels in one request, as of the database."""

_PACKING = 16
"""Most bytes that Blosc adds to voxels: its header, where they do not compress."""

_BOX = re.compile(
    r"(?P<path>[^/]+/[^/]+/[^/]+)/(?P<level>[0-9]{1,2})"
    r"/(?P<x>-?[0-9]{1,12}:-?[0-9]{1,12})/(?P<y>-?[0-9]{1,12}:-?[0-9]{1,12})"
    r"/(?P<z>-?[0-9]{1,12}:-?[0-9]{1,12})(?:/(?P<t>[0-9]{1,12}:[0-9]{1,12}))?/?"
)
_ANY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not listened on


class RefusalError(Exception):
    """A refused request, with its HTTP status and the database's own code."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Cutout(NamedTuple):
    """A box of a channel."""

    path: str
    level: int
    box: Box


class Request(NamedTuple):
    """A request that has passed the gate."""

    preflight: bool = False
    """Whether a browser asks if a page may read."""

    parts: tuple[str, ...] = ()
    """The parts of its path."""

    cutout: Cutout | None = None
    """The box that is read or written, if it is about one."""

    only: tuple[int, ...] | None = None
    """The labels to read; all if ``None``."""

    body_bytes: int | None = None
    """Length of the body that follows; ``None`` if nothing is uploaded."""


def admitted(service: Service, method: str, target: str, headers: Message, /) -> Request:
    """Return a request that may be answered, from its first line and its headers alone.

    Checked are, in this order: the host, the origin, the token, the method, the path, and the length that is
    declared of the body.

    Parameters
    ----------
    service
        What is served, and to whom.
    method, target
        Of the request's first line.
    headers
        Its headers.

    Raises
    ------
    RefusalError
        If it is refused.
    """
    _check_host(service, headers)
    _check_origin(service, method, headers)
    if method == "OPTIONS" and "Origin" in headers:
        return Request(preflight=True)  # a browser asks without a token, and learns nothing
    _check_token(service, headers)
    if method == "POST" and not service.writable:
        raise RefusalError(403, 3001, "this server is read-only")
    if method not in ("GET", "POST"):
        raise RefusalError(405, 1000, f"the method must be GET or POST, got {method}")
    path, _, query = target.partition("?")
    parts = tuple(unquote(part) for part in path.strip("/").split("/"))
    cutout = _cutout(service, parts, path)
    if method == "POST" and (cutout is None or parts[1] != "cutout"):
        raise RefusalError(403, 3001, "only cutouts can be written here")
    if method == "POST" and cutout is not None and cutout.level:
        raise RefusalError(400, 1000, f"cutouts are written at resolution 0, got {cutout.level}")
    most = 0 if cutout is None or method != "POST" else _checked_bytes(service, cutout) + _PACKING
    length = _length(headers, most, needed=method == "POST")
    return Request(
        parts=parts,
        cutout=cutout,
        only=_labels(parse_qs(query)),
        body_bytes=length if method == "POST" else None,
    )


def may_read(service: Service, headers: Message, /) -> str | None:
    """Return the origin of the web page that asks, if the server was told that it may read."""
    origin = headers.get("Origin")
    return origin if origin in service.origins else None


def _check_host(service: Service, headers: Message) -> None:
    """Refuse a name that is not the server's: a web page may have its own name point to this address."""
    hosts = headers.get_all("Host", [])
    if len(hosts) != 1:
        raise RefusalError(400, 1000, f"a request must name one Host, got {len(hosts)}")
    name = re.sub(r":[0-9]*$", "", hosts[0].strip()).strip("[]").lower()
    if name in service.hosts or (service.hosts & _ANY_ADDRESS and _is_address(name)):
        return
    raise RefusalError(421, 3001, f"Host must be a name that this server listens on, got {hosts[0]}")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _check_origin(service: Service, method: str, headers: Message) -> None:
    """Refuse a web page of another origin: all writes, and reads unless it was allowed to."""
    origin = headers.get("Origin")
    if origin is None:
        # Browsers leave the origin out where the page cannot see the answer, and name the site instead.
        if headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
            return
        origin = "another site"
    if method not in ("GET", "OPTIONS"):
        raise RefusalError(403, 3001, f"web pages must not write here, got a request of {origin}")
    if may_read(service, headers) is None:
        raise RefusalError(
            403, 3001, f"a web page must have an allowed origin, got {origin}; serve with --allow-origin"
        )


def _check_token(service: Service, headers: Message) -> None:
    if service.token is None:
        return
    given = headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(errors="replace"), f"Token {service.token}".encode()):
        raise RefusalError(401, 3000, "Invalid token.")


def _length(headers: Message, most: int, *, needed: bool) -> int:
    """Return the declared length of the body, which must be one number within what the box needs."""
    lengths = headers.get_all("Content-Length", [])
    if "Transfer-Encoding" in headers or (needed and not lengths):
        raise RefusalError(411, 1000, "a body must declare its length by Content-Length alone")
    if len(lengths) > 1 or not all(re.fullmatch(r"[0-9]{1,18}", length.strip()) for length in lengths):
        raise RefusalError(
            400, 1000, f"Content-Length must be one number of bytes, got {', '.join(lengths)[:40]}"
        )
    length = int(lengths[0]) if lengths else 0
    if length > most:
        raise RefusalError(413, 2000, f"the body must have at most {most} bytes, got {length}")
    return length


def _cutout(service: Service, parts: tuple[str, ...], path: str) -> Cutout | None:
    """Return the box that a path asks for, or ``None`` if it is about something else that may exist."""
    if parts[0] == "zarr":
        return None
    if parts[0] != "v1" or len(parts) < 2:
        raise RefusalError(404, 4000, f"there is nothing at {path}")
    if parts[1] not in ("cutout", "ids"):
        return None
    match = _BOX.fullmatch("/".join(parts[2:]))
    if match is None:
        raise RefusalError(400, 1000, f"a cutout is asked for as C/E/CH/level/x0:x1/y0:y1/z0:z1, got {path}")
    catalogue = service.catalogue
    channel, level = match["path"], int(match["level"])
    if channel not in catalogue.volumes:
        raise RefusalError(404, 4000, f"the channel {channel} does not exist")
    if level >= catalogue.levels:
        raise RefusalError(400, 1000, f"resolution must lie within [0, {catalogue.levels}), got {level}")
    if match["t"] not in (None, "0:1"):
        raise RefusalError(400, 1001, f"time must be 0:1, got {match['t']}")
    bounds = [[int(part) for part in match[axis].split(":")] for axis in "zyx"]
    start = catalogue.offset(channel, level)
    lower, upper = zip(
        *([end - first for end in ends] for ends, first in zip(bounds, start, strict=True)), strict=True
    )
    try:
        box = Box.inside(lower, upper, catalogue.shape(channel, level), what=channel)
    except IndexError as error:
        counted = f", counted from the frame's start {start} (z, y, x)" if any(start) else ""
        raise RefusalError(400, 1001, f"{error}{counted}") from error
    cutout = Cutout(channel, level, box)
    _checked_bytes(service, cutout)
    return cutout


def _checked_bytes(service: Service, cutout: Cutout) -> int:
    """Return the bytes of a cutout's voxels, within what one request may ask for."""
    n_bytes = cutout.box.size * np.dtype(service.catalogue.datatype(cutout.path)).itemsize
    if n_bytes > LARGEST_CUTOUT:
        raise RefusalError(413, 2000, f"a cutout must be at most {LARGEST_CUTOUT} bytes, got {n_bytes}")
    try:
        check_memory("a cutout and its packed form", 2 * n_bytes, remedy="ask again later")
    except MemoryBoundError as error:
        raise RefusalError(503, 9001, str(error)) from error
    return n_bytes


def _labels(query: dict[str, list[str]]) -> tuple[int, ...] | None:
    if "filter" not in query:
        return None
    numbers = query["filter"][0].split(",")
    return tuple(int(part) for part in numbers if re.fullmatch(r"[0-9]{1,20}", part) and int(part) < 2**64)
