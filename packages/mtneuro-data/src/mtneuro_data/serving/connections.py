"""An HTTP server with a bounded number of connections, each of which has a deadline.

The small servers of other projects (uvicorn, waitress, cheroot) bound connections or idle time, but give no
deadline to a head or a body that drips in, and some read a body before the application sees its head.
"""

import contextlib
import logging
import math
import socket
import sys
import threading
import time
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from typing import Any

logger = logging.getLogger(__name__)

MOST_CONNECTIONS = 256
HEAD_S = 20.0
"""A connection may wait this long for the head of a request, from its first byte to its last."""

_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


@dataclass(slots=True)
class _Connection:
    """What an open connection is doing, and when it is ended."""

    deadline: float
    waiting: bool = True


class BoundedServer(ThreadingHTTPServer):
    """Answers each connection in a thread, and ends those that take longer than they may.

    A connection beyond the bound takes the place of the one that has waited longest for a request. If all
    are being answered, it is told to try again.
    """

    daemon_threads = True
    # Many workers connect at once; the default backlog of 5 would reset some of them.
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], *arguments: Any) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self._open: dict[socket.socket, _Connection] = {}
        self._lock = threading.Lock()
        super().__init__(address, *arguments)

    def wait_for_request(self, connection: socket.socket, /) -> None:
        """Note that a connection waits for the head of a request."""
        self._note(connection, HEAD_S, waiting=True)

    def transfer(self, connection: socket.socket, seconds: float, /) -> None:
        """Note that a connection reads or sends a body, which may take some seconds in all."""
        self._note(connection, seconds)

    def work(self, connection: socket.socket, /) -> None:
        """Note that an answer is being computed, for as long as it takes."""
        self._note(connection, math.inf)

    def _note(self, connection: socket.socket, seconds: float, *, waiting: bool = False) -> None:
        with self._lock:
            if connection in self._open:  # not where it was ended meanwhile
                self._open[connection] = _Connection(time.monotonic() + seconds, waiting)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a new connection in a thread, if there is room or room can be made."""
        if not self._make_room():
            with contextlib.suppress(OSError):
                request.setblocking(False)
                request.send(_BUSY)
            self.shutdown_request(request)
            return
        with self._lock:
            self._open[request] = _Connection(time.monotonic() + HEAD_S)
        super().process_request(request, client_address)

    def _make_room(self) -> bool:
        with self._lock:
            if len(self._open) < MOST_CONNECTIONS:
                return True
            waiting = [connection for connection, now in self._open.items() if now.waiting]
            if not waiting:
                return False
            self._end(min(waiting, key=lambda connection: self._open[connection].deadline))
            return True

    def service_actions(self) -> None:
        """End the connections whose time is over; the base class calls this several times a second."""
        now = time.monotonic()
        with self._lock:
            for connection in [each for each, about in self._open.items() if about.deadline < now]:
                self._end(connection)

    def _end(self, connection: socket.socket) -> None:
        """Wake the thread of a connection: whatever it reads or sends fails at once."""
        del self._open[connection]
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Log a broken connection, such as a killed client leaves, and continue."""
        logger.debug("the connection from %s broke: %s", client_address, sys.exception())
