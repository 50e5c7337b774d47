"""A total deadline for a request, because a time-out is one of each read and begins again with each byte."""

import contextlib
import http.client
import io
import math
import socket
import threading
import time
from collections.abc import Generator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class _Thread(threading.local):
    deadline = math.inf


_thread = _Thread()


@contextlib.contextmanager
def ended_after(seconds: float, /) -> Generator[None]:
    """End the requests that this thread sends through a `TimedAdapter` if the block takes longer.

    Raises
    ------
    requests.Timeout
        If the block failed after that time.
    """
    _thread.deadline = time.monotonic() + seconds
    try:
        yield
    except Exception as error:
        if time.monotonic() < _thread.deadline:
            raise
        raise requests.Timeout(f"no complete answer within {seconds:g} s") from error
    finally:
        _thread.deadline = math.inf


class TimedAdapter(HTTPAdapter):
    """Connections whose answers `ended_after` can end."""

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


class _TimedReads(io.RawIOBase):
    """The bytes of a socket until the thread's deadline."""

    def __init__(self, file: Any, connected: socket.socket) -> None:
        self._file = file
        self._connected = connected
        self._time_out = connected.gettimeout()
        self._deadline = _thread.deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        if self._deadline < math.inf:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the deadline of the request has passed")
            self._connected.settimeout(min(left, self._time_out or left))
        return self._file.raw.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp: Any = io.BufferedReader(_TimedReads(self.fp, sock))


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls: Any = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls: Any = _SecureConnection


_POOLS: Any = {"http": _Pool, "https": _SecurePool}
