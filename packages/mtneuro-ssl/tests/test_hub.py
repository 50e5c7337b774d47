"""The hub is asked once, and what it does not give is told at once."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from huggingface_hub import constants
from huggingface_hub.errors import RepositoryNotFoundError
from mtneuro_ssl.hub import address_refusal, fetched_folder, is_kept, refusal


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def keep(cache, repository: str, file: str):
    """Put a file into a cache as the hub's client lays it out."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / file).write_text("{}")
    return snapshot


def answering(monkeypatch, answer) -> list[float]:
    """Let the client ask a function in place of the hub; return the time limits that it was given."""
    limits: list[float] = []

    def ask(url, timeout):
        limits.append(timeout)
        answer()

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", ask)
    return limits


def test_a_hub_that_does_not_answer_is_asked_for_a_moment_only(cache, monkeypatch):
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "0.5")
    limits = answering(monkeypatch, lambda: time.sleep(20))
    started = time.monotonic()
    with pytest.raises(
        FileNotFoundError,
        match=r"^owner/name must be .* the hub does not answer \(TimeoutError: no answer within 0.5 s, and",
    ):
        fetched_folder("owner/name")
    assert time.monotonic() - started < 15
    assert limits == [0.5]
    monkeypatch.delenv("HF_HUB_ETAG_TIMEOUT")
    limits = answering(monkeypatch, lambda: None)
    assert refusal("owner/name", "config.json") == ""
    assert limits == [2]


def test_what_the_hub_says_is_told_in_words(monkeypatch):
    response: Any = type("Response", (), {"headers": {}, "request": 0})()

    def missing():
        raise RepositoryNotFoundError("404\nand more", response=response)

    answering(monkeypatch, missing)
    told = refusal("owner/name", "config.json")
    assert told == "the hub has no repository 'owner/name' that you may read"

    def broken():
        raise RuntimeError("no\nroute")

    answering(monkeypatch, broken)
    assert refusal("owner/name", "config.json") == "the hub does not answer (RuntimeError: no route)"


def test_without_a_network_what_is_kept_is_taken(cache, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match=r"HF_HUB_OFFLINE is set, and the hub's cache lacks it$"):
        fetched_folder("owner/name")
    snapshot = keep(cache, "owner/name", "config.json")
    assert is_kept("owner/name", ["other.json", "config.json"])
    assert not is_kept("owner/name", ["other.json"])
    assert fetched_folder("owner/name") == snapshot


@pytest.mark.parametrize("name", ["name", "owner/name/more", "owner/a name", ""])
def test_what_is_no_repository_is_refused_without_asking(name, monkeypatch):
    limits = answering(monkeypatch, lambda: None)
    with pytest.raises(ValueError, match="must be of the form owner/name"):
        fetched_folder(name)
    assert not limits


class Handler(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(200 if self.path == "/there" else 404)
        self.end_headers()

    def log_message(self, format, *args):  # noqa: A002  # the base class's name
        pass


def test_an_address_is_asked_once_too(monkeypatch):
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        at = f"http://127.0.0.1:{server.server_port}"
        # A server that answers says the rest when the file is fetched.
        assert address_refusal(f"{at}/there") == address_refusal(f"{at}/elsewhere") == ""
        server.shutdown()
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "0.1")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        told = address_refusal(f"http://127.0.0.1:{silent.getsockname()[1]}/there")
    assert told.startswith("no answer (")
    assert address_refusal("file:///there") == "'file:///there' is no address of a file"
