import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, Self

import pytest
import requests
from mtneuro_data.sources.boss import BossServer, BossSource, parsed_uri
from mtneuro_data.sources.deadline import TimedAdapter, ended_after

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


class Dripping:
    """A server that sends something at once, and then a byte every 20 ms for as long as it is read."""

    def __init__(self, at_once: bytes, *, then: bytes = b"x") -> None:
        self.at_once, self.then = at_once, then
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self.listening.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.recv(1 << 16)
                connection.sendall(self.at_once)
                while self.then:
                    connection.sendall(self.then)
                    time.sleep(0.02)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.mount("http://", TimedAdapter())
        yield session


@pytest.mark.timeout(60)
@pytest.mark.parametrize("at_once", [b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nX-Long: ", LONG])
def test_an_answer_that_drips_in_has_a_deadline(session: requests.Session, at_once: bytes) -> None:
    start = time.monotonic()
    with (
        Dripping(at_once) as server,
        pytest.raises(requests.Timeout, match=r"no complete answer within 0\.5 s"),
        ended_after(0.5),
    ):
        session.get(f"http://{server.host}/", timeout=5)
    assert 0.4 < time.monotonic() - start < 20


@pytest.mark.timeout(60)
def test_an_answer_in_time_and_other_errors_are_left_as_they_are(session: requests.Session) -> None:
    with Dripping(WHOLE, then=b"") as server:
        with ended_after(20):
            assert session.get(f"http://{server.host}/", timeout=5).content == b"body"
        with pytest.raises(KeyError), ended_after(20):
            raise KeyError


@pytest.mark.timeout(60)
def test_a_connection_made_after_the_deadline_is_ended_at_once(session: requests.Session) -> None:
    def late() -> None:
        time.sleep(0.4)
        session.get(f"http://{server.host}/", timeout=5)

    with Dripping(LONG) as server, pytest.raises(requests.Timeout), ended_after(0.1):
        late()


@pytest.mark.timeout(60)
def test_an_answer_through_a_proxy_has_a_deadline_too(session: requests.Session) -> None:
    with Dripping(LONG) as server, pytest.raises(requests.Timeout), ended_after(0.3):
        session.get("http://nowhere.invalid/", timeout=5, proxies={"http": f"http://{server.host}"})


@pytest.mark.timeout(60)
def test_a_database_that_drips_ends_with_one_line() -> None:
    settings: dict[str, Any] = {"deadline_s": 0.3, "attempts": 2, "first_pause_s": 0.01}
    with Dripping(LONG) as server:
        at = BossServer(host=server.host, protocol="http")
        with pytest.raises(TimeoutError, match=r"in 2 attempts .*; the last timed out"):
            BossSource(parsed_uri("bossdb://lab/scan/image"), server=at, **settings)
