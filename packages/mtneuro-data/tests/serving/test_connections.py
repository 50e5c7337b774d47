import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from mtneuro_data.serving import connections, handler
from mtneuro_data.serving.handler import Handler

Boss = Any

CUTOUT = "/v1/cutout/lab/scan/image/0/0:200/0:150/0:40/"


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connected(boss: Boss, sockets: ExitStack, sent: bytes = b"") -> socket.socket:
    host, port = boss.server.host.split(":")
    opened = sockets.enter_context(socket.create_connection((host, int(port)), timeout=20))
    opened.sendall(sent)
    return opened


def head(boss: Boss, line: str, *headers: str) -> bytes:
    return "\r\n".join([line + " HTTP/1.1", f"Host: {boss.server.host}", *headers, "", ""]).encode()


def ended(opened: socket.socket) -> bool:
    """Wait for the server to close a connection, whatever it sent before."""
    try:
        while opened.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


def drip(opened: socket.socket, seconds: float) -> float:
    """Send a byte at a time until the server has closed the connection, and return how long it took."""
    start = time.monotonic()
    opened.settimeout(0.02)
    while time.monotonic() - start < seconds:
        try:
            opened.sendall(b"x")
            if not opened.recv(1 << 16):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - start


@pytest.mark.timeout(120)
def test_300_half_sent_requests_hold_a_bounded_number_of_threads_and_keep_nobody_out(
    boss: Boss, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 32)
    before = threading.active_count()
    half = [connected(boss, sockets, b"GET /v1/collection HTTP/1.1\r\nHo") for _ in range(300)]
    with urllib.request.urlopen(f"http://{boss.server.host}/v1/collection", timeout=20) as answer:
        assert answer.status == 200
    deadline = time.monotonic() + 20
    while threading.active_count() > before + 32 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before + 32
    assert all(ended(opened) for opened in half[:200])


@pytest.mark.timeout(60)
def test_a_head_that_drips_in_has_a_deadline(
    boss: Boss, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.5)
    idle = connected(boss, sockets)
    assert 0.3 < drip(connected(boss, sockets, b"GET /v1/collection"), 20) < 10
    assert ended(idle)


@pytest.mark.timeout(60)
def test_a_body_that_drips_in_has_a_deadline(
    boss: Boss, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "BODY_S", 0.5)
    monkeypatch.setattr(handler, "LEAST_BYTES_PER_S", 1 << 30)
    boss.service.writable = True
    upload = connected(boss, sockets, head(boss, f"POST {CUTOUT}", "Content-Length: 1000000"))
    assert 0.3 < drip(upload, 20) < 10
    refused = connected(boss, sockets, head(boss, "POST /absent", "Content-Length: 1000000"))
    assert 0.3 < drip(refused, 20) < 10


@pytest.mark.timeout(60)
def test_a_body_that_does_not_come_has_a_time_out(
    boss: Boss, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "timeout", 0.3)
    boss.service.writable = True
    assert ended(connected(boss, sockets, head(boss, f"POST {CUTOUT}", "Content-Length: 1000000")))


@pytest.mark.timeout(60)
def test_an_answer_that_is_not_read_has_a_time_out(
    boss: Boss, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "timeout", 0.3)
    (server,) = [boss.running._http]
    slow = connected(boss, sockets, head(boss, f"GET {CUTOUT}") * 20)
    deadline = time.monotonic() + 20
    while not server._open and time.monotonic() < deadline:
        time.sleep(0.01)
    while server._open and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not server._open
    assert ended(slow)


@pytest.mark.timeout(60)
def test_a_client_is_told_to_come_again_where_all_connections_are_being_answered(
    boss: Boss, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 1)
    boss.service.latency_s = 2.0
    first = connected(boss, sockets, head(boss, "GET /v1/collection"))
    deadline = time.monotonic() + 20
    while not boss.requests and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    answer = connected(boss, sockets).recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 1\r\n" in answer
    assert first.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
