"""Stores that tensorstore wrote, and a server of files on the loopback address that may fail on purpose."""

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from mtneuro_data.serving import Faults

DESCRIPTIONS = ("info", "zarr.json", "attributes.json", ".zarray", ".zattrs", ".zgroup")


class FileServer(ThreadingHTTPServer):
    """Serves a folder as the web, as S3 (bucket and key) and as Google's storage do."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.faults: Faults | None = None
        self.redirect: str | None = None
        self.whole = False

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def chunks(self) -> list[str]:
        return [path for path in self.requests if not path.endswith(DESCRIPTIONS)]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are no error of this server."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FileServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 - the base class's name
        pass

    def do_HEAD(self) -> None:
        self._send(200, b"")

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        bucket = re.fullmatch(r"/storage/v1/b/([^/]+)/o/(.+)", path)
        path = f"/{bucket[1]}/{bucket[2]}" if bucket else path
        self.server.requests.append(path)
        self.server.headers.append(dict(self.headers))
        file = self.server.root / path.lstrip("/")
        if self.server.redirect is not None and not path.endswith(DESCRIPTIONS):
            self._send(302, b"", Location=self.server.redirect)
        elif not file.is_file():
            self._send(404, b"")
        else:
            asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
            body, about = file.read_bytes(), {"ETag": '"1"', "x-goog-generation": "1"}
            if asked is None or self.server.whole:
                self._answer(path, 200, body, about)
                return
            first, end = int(asked[1] or 0), int(asked[2] or len(body) - 1) + 1
            if not asked[1]:
                first, end = max(0, len(body) - int(asked[2])), len(body)
            about["Content-Range"] = f"bytes {first}-{min(end, len(body)) - 1}/{len(body)}"
            self._answer(path, 206, body[first:end], about)

    def _answer(self, path: str, status: int, body: bytes, about: dict[str, str]) -> None:
        faults = self.server.faults
        fault = None if faults is None or path.endswith(DESCRIPTIONS) else faults.next(path)
        if faults is None or fault is None:
            self._send(status, body, **about)
        elif fault.isdecimal():
            self._send(int(fault), b"simulated fault")
        elif fault in ("garbage", "wrong_size"):
            self._send(status, b"these are no voxels" if fault == "garbage" else body[: len(body) // 2 + 1])
        elif fault == "drip":
            self._head(status, len(body), about)
            step = max(1, len(body) // 8)
            for at in range(0, len(body), step):
                self.wfile.write(body[at : at + step])
                time.sleep(faults.stall_s / 16)
        else:
            self.close_connection = True
            if fault != "reset":
                self._head(status, len(body), about)
                self.wfile.write(body[: len(body) // 2])
                if fault == "stall":
                    time.sleep(faults.stall_s)
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, body: bytes, **about: str) -> None:
        self._head(status, len(body), about)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, length: int, about: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in about.items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of stores; see ``written_stores.py``."""
    if find_spec("tensorstore") is None:
        pytest.skip("the extra `cloud` is not installed")
    root = tmp_path_factory.mktemp("written")
    subprocess.run([sys.executable, Path(__file__).with_name("written_stores.py"), root], check=True)
    return root


@pytest.fixture(scope="session")
def truth(written: Path) -> dict[str, np.ndarray]:
    """What tensorstore reads of each."""
    with np.load(written / "truth.npz") as archive:
        return dict(archive)


@pytest.fixture
def web(written: Path) -> Iterator[FileServer]:
    """The stores on the web."""
    with FileServer(written) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
