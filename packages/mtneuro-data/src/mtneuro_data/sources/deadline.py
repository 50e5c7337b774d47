"""A total deadline for a request, because a time-out is one of each read and begins again with each byte."""

import contextlib
import socket
import threading
from collections.abc import Generator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class _Deadline:
    """The sockets of one request, and whether its time is over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.over = False

    def watch(self, connected: socket.socket) -> None:
        with self._lock:
            self._sockets.append(connected)
            if self.over:
                _end(connected)

    def end(self) -> None:
        with self._lock:
            self.over = True
            for connected in self._sockets:
                _end(connected)


_thread = threading.local()


@contextlib.contextmanager
def ended_after(seconds: float, /) -> Generator[None]:
    """End the requests of this thread's `WatchedAdapter` if the block takes longer.

    Raises
    ------
    requests.Timeout
        If it took longer. A head that was cut off would else pass as an answer.
    """
    deadline = _Deadline()
    timer = threading.Timer(seconds, deadline.end)
    timer.daemon = True
    timer.start()
    _thread.deadline = deadline
    failure: Exception | None = None
    try:
        yield
    except Exception as error:
        failure = error
    finally:
        _thread.deadline = None
        timer.cancel()
    if deadline.over:
        raise requests.Timeout(f"no complete answer within {seconds:g} s") from failure
    if failure is not None:
        raise failure


class WatchedAdapter(HTTPAdapter):
    """Connections that `ended_after` can end."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the pools of connections to hosts."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Return the pools of connections to a proxy."""
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager


class _Connection(HTTPConnection):
    def getresponse(self) -> Any:
        _watch(self.sock)
        return super().getresponse()


class _SecureConnection(HTTPSConnection):
    def getresponse(self) -> Any:
        _watch(self.sock)
        return super().getresponse()


class _Pool(HTTPConnectionPool):
    ConnectionCls: Any = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls: Any = _SecureConnection


_POOLS: Any = {"http": _Pool, "https": _SecurePool}


def _watch(connected: socket.socket | None) -> None:
    deadline: _Deadline | None = getattr(_thread, "deadline", None)
    if deadline is not None and connected is not None:
        deadline.watch(connected)


def _end(connected: socket.socket) -> None:
    """Wake the thread that reads from a socket, which finds that nothing more comes."""
    with contextlib.suppress(OSError):
        # A secure socket's own method would take its state from under the reading thread.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
