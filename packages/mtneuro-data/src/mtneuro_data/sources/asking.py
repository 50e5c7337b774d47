"""Ask the process that reads stores through tensorstore; see `mtneuro_data.sources.reader`."""

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import Any

import numpy as np

_PIPE_BYTES = 1 << 20

CONNECT_S, READ_S, LEAST_BYTES_PER_S = 10, 60, 1 << 10
"""Time-out of a connection, and how long an answer may drip in below that speed, in bytes a second."""


class StoreError(Exception):
    """What tensorstore says about a question that failed."""


class StoreTimeoutError(StoreError):
    """A question that was not answered in time."""


class Asked:
    """A process that reads, and the questions that it has not answered yet."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("reader.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # tensorstore logs what it tries, such as each place where there might be credentials.
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        _widen(self._process)
        self._lock = threading.Lock()
        self._waiting: dict[int, Future[tuple[dict[str, Any], np.ndarray]]] = {}
        self._count = 0
        self._ended = threading.Event()
        self._dispatcher = threading.Thread(target=self._dispatch, daemon=True)
        self._dispatcher.start()

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._ended.is_set()

    def answer(self, question: Mapping[str, Any], /, *, seconds: float) -> tuple[dict[str, Any], np.ndarray]:
        """Return the answer to a question, and the bytes that come with it.

        Raises
        ------
        StoreError
            If it failed.
        StoreTimeoutError
            If it took longer.
        """
        future: Future[tuple[dict[str, Any], np.ndarray]] = Future()
        with self._lock:
            self._count += 1
            number = self._count
            self._waiting[number] = future
        try:
            self._send({"id": number, **question})
            about, body = future.result(seconds)
        except FutureTimeoutError:
            raise StoreTimeoutError(f"no complete answer within {seconds:g} s") from None
        finally:
            if self._waiting.pop(number, None) is not None:
                with contextlib.suppress(StoreError):
                    self._send({"id": number, "do": "cancel"})
        if "error" in about:
            raise StoreError(about["error"])
        return about, body

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self._stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._dispatcher.join(5)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def forget(self) -> None:
        """Let go of the process, which is another's: that from which this one was forked."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                # Not by its own method, which may wait for a lock that no thread holds any more.
                with contextlib.suppress(OSError):
                    os.close(pipe.fileno())
        self._process.returncode = 0
        # Never freed: that would close these numbers once more, when they may name other files.
        _forgotten.append(self)

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    def _send(self, question: Mapping[str, Any]) -> None:
        line = json.dumps(question).encode() + b"\n"
        with self._lock:
            try:
                self._stdin.write(line)
                self._stdin.flush()
            except (OSError, ValueError) as error:
                raise StoreError("the process that reads has ended") from error

    def _dispatch(self) -> None:
        """Give each answer to the thread that waits for it, until the process ends."""
        output: Any = self._process.stdout
        with contextlib.suppress(OSError, ValueError):
            for line in iter(output.readline, b""):
                about = json.loads(line)
                body = np.empty(about["n_bytes"], np.uint8)
                view = body.data
                while view:
                    n = output.readinto(view)
                    if not n:
                        break
                    view = view[n:]
                if view:
                    break
                future = self._waiting.pop(about["id"], None)
                if future is not None:
                    future.set_result((about, body))
        self._ended.set()
        while self._waiting:
            with contextlib.suppress(KeyError):
                _, future = self._waiting.popitem()
                future.set_exception(StoreError("the process that reads has ended"))


_forgotten: list[Asked] = []


class _Own:
    lock = threading.Lock()
    asked: Asked | None = None


def answered(question: Mapping[str, Any], /, *, seconds: float) -> tuple[dict[str, Any], np.ndarray]:
    """Return what this process's own reader answers, with the bytes that follow; see `Asked.answer`."""
    with _Own.lock:
        if _Own.asked is None or _Own.asked.ended:
            if _Own.asked is not None:
                _Own.asked.close()
            _Own.asked = Asked()
        asked = _Own.asked
    return asked.answer(question, seconds=seconds)


def _environment() -> dict[str, str]:
    """Return the environment of the process: its own time-outs and certificates where none are named."""
    from requests.certs import where

    given = os.environ
    trusted = given.get("REQUESTS_CA_BUNDLE") or given.get("SSL_CERT_FILE") or where()
    default = {
        "TENSORSTORE_CA_BUNDLE": trusted,
        "TENSORSTORE_CURL_CONNECT_TIMEOUT_SECONDS": str(CONNECT_S),
        "TENSORSTORE_CURL_LOW_SPEED_TIME_SECONDS": str(READ_S),
        "TENSORSTORE_CURL_LOW_SPEED_LIMIT_BYTES": str(LEAST_BYTES_PER_S),
    }
    return default | dict(given)


def _widen(process: subprocess.Popen[bytes]) -> None:
    """Let the pipe hold more, so that the two processes wait less for each other."""
    try:
        import fcntl

        if process.stdout is not None:
            fcntl.fcntl(process.stdout.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except (ImportError, AttributeError, OSError):
        return


def _end() -> None:
    if _Own.asked is not None and _Own.asked.pid == os.getpid():
        _Own.asked.close()
        _Own.asked = None


def _forked() -> None:
    _Own.lock = threading.Lock()
    if _Own.asked is not None:
        _Own.asked.forget()
        _Own.asked = None


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
