"""Channels of a BossDB database, read through the `intern` client.

The client has no time-out and no retry, starts a pool of processes for large cutouts, and its sockets must
not be shared with a forked child. Here each process has a client of its own, a box is asked for in small
requests by threads, every request has a time-out, and temporary failures are tried again.
"""

import ipaddress
import logging
import math
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np

from mtneuro_data.box import Box, Corner
from mtneuro_data.sources.attempts import ATTEMPTS, FIRST_PAUSE_S, Attempts
from mtneuro_data.sources.base import BoxesSource, Kind, Location
from mtneuro_data.sources.boss_answers import (
    Answer,
    Channel,
    Experiment,
    Frame,
    bounded_body,
    described,
    final_error,
    given_up,
)
from mtneuro_data.sources.lengths import micrometres

logger = logging.getLogger(__name__)

T = TypeVar("T")

FAR_THREADS, NEAR_THREADS = 20, 2
FAR_BLOCK, NEAR_BLOCK = (16, 256, 256), (32, 256, 256)
FAR_BLOCK_OF_MANY = (16, 128, 128)
"""Limits on the number of simultaneous requests, and on the voxels ``(z, y, x)`` of one request.

A far server is sent many requests at once, so that their waiting times overlap. Each is large enough that its
transfer takes about as long as the round trip; large downloads use smaller blocks, to save memory. A near
server, which answers at once, is sent few requests. All blocks are far below the size at which the client
forks a pool of processes, and they bound the memory of a download."""

NEAR_S = 0.01
"""A server that answers within this time counts as near."""

SMALLEST_BLOCK = 1 << 18
"""Requests of fewer voxels than this are not divided further to keep the threads busy."""

CONNECT_S, READ_S = 10.0, 60.0
REQUEST_S = 300.0
"""A request may take this long in all, however steadily its answer drips in."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class BossServer:
    """A database and the credentials for it.

    Examples
    --------
    >>> BossServer().host
    'api.bossdb.io'
    """

    host: str = "api.bossdb.io"
    """Host name or address, with a port if one is needed; an IPv6 address must stand in brackets."""

    protocol: str = "https"
    """``https`` or ``http``."""

    token: str = field(default="public", repr=False)
    """Access token; ``public`` reads everything that is public."""

    double_read: bool = False
    """Request every block until two answers agree: the compression has no checksum, so that damaged voxels
    may go unnoticed."""

    def __post_init__(self) -> None:
        if self.protocol not in ("https", "http"):
            raise ValueError(f'protocol must be "https" or "http", got "{self.protocol}"')
        if not re.fullmatch(r"[A-Za-z0-9.-]+(:\d+)?", self.host) and not _is_ipv6(self.host):
            hint = "; write [::1] or [::1]:8000 for an IPv6 address" if self.host.count(":") > 1 else ""
            raise ValueError(f'host must be a name or address with an optional port, got "{self.host}"{hint}')
        port = re.search(r":(\d+)$", self.host)
        if port and not 0 < int(port[1]) < 1 << 16:
            raise ValueError(f'the port of host must lie within [1, 65535], got "{self.host}"')
        if not re.fullmatch(r"[A-Za-z0-9._=-]+", self.token):
            raise ValueError("token must consist of letters, digits and . _ = -")

    @property
    def address(self) -> str:
        """Protocol and host.

        Examples
        --------
        >>> BossServer(host="[::1]:8000", protocol="http").address
        'http://[::1]:8000'
        """
        return f"{self.protocol}://{self.host}"

    @classmethod
    def from_environment(cls) -> "BossServer":
        """Return the public database, or the one that the client's environment variables name.

        They are ``INTERN_HOST``, ``INTERN_PROTOCOL`` and ``INTERN_TOKEN``; each may be left out.
        """
        default = cls()
        return cls(
            host=os.environ.get("INTERN_HOST") or default.host,
            protocol=os.environ.get("INTERN_PROTOCOL") or default.protocol,
            token=os.environ.get("INTERN_TOKEN") or default.token,
        )


def _is_ipv6(host: str) -> bool:
    found = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](:\d+)?", host)
    if found is None:
        return False
    try:
        ipaddress.IPv6Address(found[1])
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class BossChannel:
    """The names of a channel in a database, and a level."""

    collection: str
    experiment: str
    channel: str
    level: int = 0
    """Resolution level; rows and columns halve with each."""

    @property
    def path(self) -> tuple[str, str, str]:
        """Collection, experiment and channel."""
        return (self.collection, self.experiment, self.channel)

    def __str__(self) -> str:
        return f"bossdb://{'/'.join(self.path)}" + (f"/{self.level}" if self.level else "")


def parsed_uri(uri: str, /) -> BossChannel:
    """Return the channel that ``bossdb://collection/experiment/channel[/level]`` names.

    Raises
    ------
    ValueError
        If the URI has another form.

    Examples
    --------
    >>> parsed_uri("bossdb://prasad/prasad2020/image").channel
    'image'
    """
    parts = uri.removeprefix("bossdb://").rstrip("/").split("/")
    names, level = parts[:3], parts[3:]
    right = len(names) == 3 and all(_NAME.fullmatch(name) for name in names)
    if not right or not (level == [] or (len(level) == 1 and re.fullmatch(r"\d{1,2}", level[0]))):
        raise ValueError(f"a database URI is bossdb://collection/experiment/channel[/level], got {uri}")
    collection, experiment, channel = names
    return BossChannel(collection, experiment, channel, int(level[0]) if level else 0)


def located(uri: str, server: BossServer | None, /) -> Location:
    """Return the location of a channel, given its ``bossdb://`` URI or the database's own web address.

    Raises
    ------
    ValueError
        If the URI has another form.
    """
    server_there = BossServer.from_environment()
    if not uri.startswith("bossdb://"):
        address = urlsplit(uri)
        uri = f"bossdb:/{address.path.removeprefix('/v1/mgmt/resources').rstrip('/')}"
        server_there = BossServer(host=address.netloc, protocol=address.scheme, token=server_there.token)
    channel, asked = parsed_uri(uri), server or server_there
    return Location(
        uri,
        partial(BossSource, channel, server=asked),
        (asked.host, *channel.path, channel.level),
        remote=True,
    )


class BossSource(BoxesSource):
    """One channel at one level, as a volume.

    Raises
    ------
    PermissionError
        If the token may not read it.
    FileNotFoundError
        If there is no such channel.
    ConnectionError, TimeoutError
        If the database does not answer.
    """

    def __init__(
        self,
        channel: BossChannel,
        *,
        server: BossServer | None = None,
        timeout_s: tuple[float, float] = (CONNECT_S, READ_S),
        deadline_s: float = REQUEST_S,
        attempts: int = ATTEMPTS,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self.channel = channel
        self.server = server or BossServer.from_environment()
        self._timeout = timeout_s
        self._deadline_s = deadline_s
        self.attempts = attempts
        self._first_pause_s = first_pause_s
        self._answered = False
        self._round_trip_s = math.inf
        self._remote: tuple[int, Any, Any] | None = None
        self.shape, self.offset, self.voxel_size_um, self.dtype = self._describe()

    @property
    def kind(self) -> Kind:
        """Whether the database calls the channel an image or an annotation."""
        return "annotation" if self._open()[1].type == "annotation" else "image"

    @property
    def parallel(self) -> int:
        """Number of requests to run at the same time."""
        return NEAR_THREADS if self._near else FAR_THREADS

    @property
    def _near(self) -> bool:
        return self._round_trip_s < NEAR_S

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_remote": None}

    def read_boxes(
        self, boxes: Sequence[Box], /, *, out: Sequence[np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """Return the voxels of several boxes, fetched in blocks by several threads."""
        if out is None:
            out = [np.empty(box.shape, self.dtype) for box in boxes]
        # Half as many blocks as threads: more and smaller blocks would spend more time on requests.
        busy = -(-self.parallel // (2 * len(boxes)))
        largest = NEAR_BLOCK if self._near else FAR_BLOCK
        n = sum(box.size for box in boxes)
        if not self._near and n > 2 * FAR_THREADS * math.prod(FAR_BLOCK):
            largest = FAR_BLOCK_OF_MANY
        blocks = [
            (array, box.lower, block)
            for array, box in zip(out, boxes, strict=True)
            for block in _blocks(box, largest, busy)
        ]
        self._open()  # here, so that the threads do not race to open it
        self.fetch_blocks(blocks)
        return list(out)

    def fetch(self, box: Box, /) -> np.ndarray:
        """Return the voxels of a box with one request; may be called from several threads."""
        # In the channel's own frame, which need not begin at 0.
        z, y, x = (
            [lo + start, hi + start] for lo, hi, start in zip(box.lower, box.upper, self.offset, strict=True)
        )
        remote, resource = self._open()

        def request() -> np.ndarray:
            # parallel=False: otherwise the client splits a large request over a forked pool of processes.
            return remote.get_cutout(resource, self.channel.level, x, y, z, parallel=False)

        what = " ".join(f"{axis} {lo}:{hi}" for axis, (lo, hi) in zip("zyx", (z, y, x), strict=True))
        voxels = self._try(request, what)
        if not self.server.double_read:
            return voxels
        for _ in range(self.attempts):
            again = self._try(request, what)
            if np.array_equal(voxels, again):
                return voxels
            logger.warning("%s, %s: two answers differ; asking again", self.channel, what)
            voxels = again
        raise OSError(f"{self.channel}: no two answers of {self.attempts + 1} agree ({what})")

    def _open(self) -> tuple[Any, Any]:
        """Return this process's own client and the channel's description."""
        if self._remote is None or self._remote[0] != os.getpid():
            remote = _remote(self.server, self._timeout)
            names = (self.channel.channel, self.channel.collection, self.channel.experiment)
            resource = self._try(lambda: remote.get_channel(*names), "its description")
            self._remote = (os.getpid(), remote, resource)
        return self._remote[1:]

    def _describe(self) -> tuple[Corner, Corner, tuple[float, float, float] | None, np.dtype[Any]]:
        from intern.resource.boss.resource import CoordinateFrameResource

        remote, resource = self._open()
        names = (self.channel.collection, self.channel.experiment)
        channel = self._described(Channel, resource, "its description")
        what = "its experiment"
        experiment = self._described(Experiment, self._try(lambda: remote.get_experiment(*names), what), what)
        what, place = "its coordinate frame", CoordinateFrameResource(experiment.coord_frame)
        frame = self._described(Frame, self._try(lambda: remote.get_project(place), what), what)
        levels = experiment.num_hierarchy_levels
        if self.channel.level >= max(1, levels):
            raise ValueError(f"{self.channel}: level must lie within [0, {levels}), got {self.channel.level}")
        factor = 2**self.channel.level
        deep = factor if experiment.hierarchy_method == "isotropic" else 1
        unit = micrometres(frame.voxel_unit)
        shape = (
            (frame.z_stop - frame.z_start) // deep,
            (frame.y_stop - frame.y_start) // factor,
            (frame.x_stop - frame.x_start) // factor,
        )
        if min(shape) < 1:
            raise ValueError(f"{self.channel}: the database describes an empty volume of the shape {shape}")
        dtype = np.dtype(channel.datatype)
        if math.prod(shape) * dtype.itemsize >= 1 << 63:
            raise ValueError(
                f"{self.channel}: a volume must have less than 2^63 bytes, got the shape {shape}"
            )
        size = (
            frame.z_voxel_size * unit * deep,
            frame.y_voxel_size * unit * factor,
            frame.x_voxel_size * unit * factor,
        )
        offset = (frame.z_start // deep, frame.y_start // factor, frame.x_start // factor)
        return shape, offset, size if min(size) > 0 else None, dtype

    def _described(self, form: type[Answer], answer: Any, what: str) -> Answer:
        """Return the client's answer in the form that a description must have."""
        return described(form, answer.raw, host=self.server.host, what=f"{what} of {self.channel}")

    def _try(self, request: Callable[[], T], what: str) -> T:
        """Call until it succeeds; after a temporary failure, try again after a growing pause."""
        from mtneuro_data.sources.deadline import ended_after

        def timed() -> T:
            start = time.perf_counter()
            with ended_after(self._deadline_s):
                answer = request()
            self._answered = True
            # The fastest answer is a description, which takes little more than the round trip.
            self._round_trip_s = min(self._round_trip_s, time.perf_counter() - start)
            return answer

        asked_of = {"source": str(self.channel), "address": self.server.address, "what": what}
        attempts = Attempts(
            final=lambda error: final_error(error, **asked_of),
            given_up=lambda error, n: given_up(error, **asked_of, attempts=n),
            unreached=self._unreached,
            asked_to_wait_s=asked_to_wait_s,
            attempts=self.attempts,
            first_pause_s=self._first_pause_s,
        )
        return attempts.answer(timed, told=f"{self.channel}, {what}")

    def _unreached(self, error: Exception) -> bool:
        import requests

        return not self._answered and isinstance(error, requests.ConnectionError)


def _remote(server: BossServer, timeout_s: tuple[float, float]) -> Any:
    """Return a client of its own for this process, with time-outs and a large enough pool."""
    import blosc
    from intern.remote.boss import BossRemote

    # Our own threads decompress in parallel; Blosc would start threads of its own for each block.
    blosc.set_releasegil(True)
    blosc.set_nthreads(1)
    remote = BossRemote({"protocol": server.protocol, "host": server.host, "token": server.token})
    address = server.address
    services: tuple[Any, ...] = (remote.project_service, remote.volume_service)
    for service in services:
        service.session.mount(address, _adapter())
        # The client looks up the environment's proxies without an address, and so finds none.
        options = service.session.merge_environment_settings(address, {}, None, None, None)
        service.session_send_opts = {**options, "timeout": timeout_s}
    return remote


def _adapter() -> Any:
    """Return an adapter that keeps one connection to a host for each thread, read in large pieces."""
    from mtneuro_data.sources.deadline import TimedAdapter

    class LargePieces(TimedAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> Any:
            response: Any = super().send(request, *args, **options)

            def pieces(*_: int) -> Any:
                # Removed at once: the reference cycle would keep the response in memory.
                del response.iter_content
                return bounded_body(response)

            response.iter_content = pieces
            return response

    return LargePieces(pool_connections=1, pool_maxsize=FAR_THREADS)


def asked_to_wait_s(error: Exception) -> float:
    """Return the waiting time in seconds that a busy server asks for, at most a minute."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    text = str(headers.get("Retry-After", ""))
    return min(float(text), 60.0) if text.isdecimal() else 0.0


def _blocks(box: Box, largest: Corner, threads: int) -> list[Box]:
    """Divide a box into requests of at most a given size, enough of them to keep the threads busy."""
    extents, upper = box.shape, box.upper
    block = [min(size, extent) for size, extent in zip(largest, extents, strict=True)]

    def count() -> int:
        return math.prod(-(-extent // size) for extent, size in zip(extents, block, strict=True))

    while count() < threads and math.prod(block) > SMALLEST_BLOCK:
        longest = max((1, 2), key=lambda axis: block[axis])
        if block[longest] < 2:
            break
        block[longest] = -(-block[longest] // 2)
    starts = [range(lo, hi, size) for lo, hi, size in zip(box.lower, upper, block, strict=True)]
    return [
        Box(
            (z, y, x), (min(z + block[0], upper[0]), min(y + block[1], upper[1]), min(x + block[2], upper[2]))
        )
        for z, y, x in product(*starts)
    ]
