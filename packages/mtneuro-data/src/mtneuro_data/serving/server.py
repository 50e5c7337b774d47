"""An HTTP server of volumes, with one thread for each connection."""

import re
import socket
import threading
from collections.abc import Collection
from functools import partial
from ipaddress import ip_address
from types import TracebackType

import blosc

from mtneuro_data.serving.catalogue import Catalogue
from mtneuro_data.serving.connections import BoundedServer
from mtneuro_data.serving.faults import Faults
from mtneuro_data.serving.handler import Handler
from mtneuro_data.serving.service import Service
from mtneuro_data.sources.boss import BossServer

_ORIGIN = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")


class VolumeServer:
    """Serves a catalogue of volumes as a BossDB database does.

    Parameters
    ----------
    catalogue
        What to serve.
    host, port
        Where to listen; the loopback address by default, and any free port for 0.
    token
        The only token to accept; any token if ``None``.
    writable
        Whether cutouts may be uploaded; never by a web page.
    allow_origins
        Origins of the web pages that may read, such as ``https://neuroglancer-demo.appspot.com``.
    faults
        Faults to simulate.
    latency_s, bytes_per_s
        Delay of each answer, and the speed of each connection in cutouts; for measurements.

    Examples
    --------
    >>> from mtneuro_data import open_volume
    >>> volume = open_volume("phantom://image?shape=4,32,32")
    >>> with VolumeServer(Catalogue({"lab/scan/em": volume})) as server:
    ...     remote = open_volume("bossdb://lab/scan/em", server=server.address)
    ...     bool((remote[0:4, 0:32, 0:32] == volume[0:4, 0:32, 0:32]).all())
    True
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        writable: bool = False,
        allow_origins: Collection[str] = (),
        faults: Faults | None = None,
        latency_s: float = 0.0,
        bytes_per_s: float | None = None,
    ) -> None:
        for origin in allow_origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"an origin must be scheme://host[:port], as a browser names it, got {origin!r}"
                )
        self.service = Service(
            catalogue=catalogue,
            origins=frozenset(allow_origins),
            token=token,
            writable=writable,
            faults=faults,
            latency_s=latency_s,
            bytes_per_s=bytes_per_s,
        )
        # Connections compress in parallel; Blosc would start threads of its own for each answer.
        blosc.set_releasegil(True)
        blosc.set_nthreads(1)
        if not 0 <= port < 1 << 16:
            raise ValueError(f"port must lie within [0, 65536), got {port}")
        try:
            self._http = BoundedServer((host, port), partial(Handler, self.service))
        except OSError as error:
            words = error.strerror or error
            raise OSError(
                f"cannot listen on {host}:{port}: {words}; give another port, or 0 for a free one"
            ) from error
        names = (host, str(self._http.server_address[0]), self._http.server_name, socket.gethostname())
        self.service.hosts = frozenset(name.lower() for name in (*names, "localhost"))
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> BossServer:
        """The address for clients: the host with its port, the protocol and the token."""
        host, port = self._http.server_address[:2]
        name = f"[{host}]" if ":" in str(host) else host
        return BossServer(host=f"{name}:{port}", protocol="http", token=self.service.token or "public")

    @property
    def is_local(self) -> bool:
        """Whether it listens on a loopback address, which other machines cannot reach."""
        return ip_address(str(self._http.server_address[0])).is_loopback

    def serve_forever(self) -> None:
        """Serve in this thread until `close` or an interrupt."""
        self._http.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        """Stop serving."""
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self._http.server_close()

    def __enter__(self) -> "VolumeServer":  # noqa: PYI034 - beartype knows Self in classes only
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
