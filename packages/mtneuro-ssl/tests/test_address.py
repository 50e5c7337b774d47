"""A file at an address is asked for once."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from mtneuro_ssl.address import address_refusal


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
