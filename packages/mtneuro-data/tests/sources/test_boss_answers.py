"""Answers of a database: what is refused, in one line that says what to do, and what is asked for again."""

import gzip
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import blosc
import numpy as np
import pytest
import requests
from mtneuro_data import Box, open_volume
from mtneuro_data.doctor import findings
from mtneuro_data.sources.boss import BossServer, BossSource, parsed_uri
from mtneuro_data.sources.boss_answers import final_error, given_up

URI = "bossdb://lab/scan/image"
FRAME = {
    "name": "frame", "x_start": 0, "x_stop": 64, "y_start": 0, "y_stop": 64, "z_start": 0, "z_stop": 8,
    "x_voxel_size": 1, "y_voxel_size": 1, "z_voxel_size": 1, "voxel_unit": "micrometers",
}  # fmt: skip
EXPERIMENT = {
    "name": "scan", "coord_frame": "frame", "num_hierarchy_levels": 1, "hierarchy_method": "isotropic"
}  # fmt: skip
CHANNEL = {"name": "image", "type": "image", "datatype": "uint8", "base_resolution": 0}
TOO_MUCH = "with no more than is asked for, got more than 16,777,216 bytes"


class Answers:
    """A server on the loopback address that answers as it is told to, and counts what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.asked: list[str] = []
        self.tell(channel=CHANNEL, experiment=EXPERIMENT, coord=FRAME)

    def tell(self, **answers: Any) -> None:
        self.answers |= {
            name: (answer if isinstance(answer, bytes) else json.dumps(answer).encode(), {})
            for name, answer in answers.items()
        }

    def kind(self, path: str) -> str:
        return next(kind for kind in ("cutout", "channel", "coord", "experiment") if f"/{kind}/" in path)

    @contextmanager
    def served(self, host: str = "127.0.0.1", certificate: Path | None = None) -> Generator[BossServer]:
        answers = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kind = answers.kind(self.path)
                answers.asked.append(kind)
                body, headers = answers.answers[kind]
                self.send_response(200)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *_: object) -> None: ...  # noqa: A002

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

            def handle_error(self, request: object, client_address: object) -> None: ...

        with Server((host, 0), Handler) as server:
            if certificate is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate)
                server.socket = context.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(
                target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.01}
            )
            thread.start()
            name = f"[{host}]" if ":" in host else host
            protocol = "http" if certificate is None else "https"
            yield BossServer(host=f"{name}:{server.server_address[1]}", protocol=protocol)
            server.shutdown()
            thread.join()


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for the loopback address that no authority signed, and its key, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    made = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    files = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "certificate.pem"]
    subprocess.run(["openssl", *made.split(), *files], check=True, capture_output=True)
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "certificate.pem").read_bytes() + (tmp_path / "key.pem").read_bytes())
    return both


def opened(server: BossServer) -> BossSource:
    return BossSource(parsed_uri(URI), server=server, first_pause_s=0.001, timeout_s=(2.0, 2.0))


def test_a_certificate_that_nobody_trusts_is_told_at_once_with_what_to_set(
    answers: Answers, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = r"the certificate of 127.* must be one that is trusted here, got: self.signed.* REQUESTS_CA_BUNDLE"
    with answers.served(certificate=certificate) as server:
        with pytest.raises(OSError, match=told):
            opened(server)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert opened(server).shape == (8, 64, 64)
        assert [one.words for one in findings(server=server) if one.what == "host"] == [
            f"https://{server.host} answers; the public token is used"
        ]


@pytest.mark.parametrize("there", [True, False])
def test_a_bundle_of_certificates_that_is_none_is_named(
    answers: Answers, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    if there:
        (tmp_path / "bundle").write_text("nothing")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "bundle"))
    with (
        answers.served(certificate=certificate) as server,
        pytest.raises(OSError, match="REQUESTS_CA_BUNDLE must name a file of certificates"),
    ):
        opened(server)


def test_a_server_without_https_is_told_at_once(answers: Answers) -> None:
    with answers.served() as server, pytest.raises(OSError, match=r"must speak https.* INTERN_PROTOCOL=http"):
        opened(BossServer(host=server.host))


def test_a_server_at_an_ipv6_address_is_read(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    answers.tell(cutout=blosc.compress(bytes(range(6)), typesize=1))
    with answers.served("::1") as server:
        assert opened(server).read(Box((0, 0, 0), (1, 2, 3))).ravel().tolist() == [*range(6)]
        monkeypatch.delenv("INTERN_HOST", raising=False)
        assert open_volume(f"http://{server.host}/v1/mgmt/resources/lab/scan/image").shape == (8, 64, 64)
        assert next(one for one in findings(server=server) if one.what == "host").ok


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("::1", r"write \[::1\] or \[::1\]:8000 for an IPv6 address"),
        ("[::x]:80", "host must be a name or address"),
        ("[1.2.3.4]", "host must be a name or address"),
        ("localhost:99999", r"the port of host must lie within \[1, 65535\]"),
    ],
)
def test_a_malformed_host_is_refused(host: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        BossServer(host=host)


@pytest.mark.parametrize("proxy", ["http://", "http://:8080", "http://a:port", "ftp://a:1", "http://a b:1"])
def test_a_malformed_proxy_is_named_at_once(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("http_proxy", proxy)
    told = r"the proxy '.*' of http_proxy must be http://host:port, got: .*; correct or unset it"
    with pytest.raises(OSError, match=told):
        BossSource(
            parsed_uri(URI), server=BossServer(host="nowhere.invalid", protocol="http"), first_pause_s=99
        )


def test_a_proxy_that_is_not_there_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://me:secret@127.0.0.1:9")
    with pytest.raises(ConnectionError, match=r"the proxy .* of http_proxy cannot be reached") as caught:
        opened(BossServer(host="nowhere.invalid", protocol="http"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("kind", ["channel", "experiment", "coord"])
@pytest.mark.parametrize("answer", [{}, [], None, {"name": "it"}, {"name": "it", "x_stop": "many"}])
def test_a_description_of_another_form_is_told_at_once(answers: Answers, kind: str, answer: object) -> None:
    answers.tell(**{kind: answer})
    with answers.served() as server, pytest.raises((ValueError, OSError)) as caught:
        opened(server)
    assert answers.asked.count(kind) == 1
    assert str(caught.value).endswith("check the variable INTERN_HOST")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        ({"x_voxel_size": -1}, "x_voxel_size must be .*, got -1"),
        ({"x_voxel_size": float("inf")}, "x_voxel_size must be less than inf"),
        ({"x_stop": None}, "x_stop must be a whole number, got None"),
        ({"x_stop": 1 << 60}, "must have less than 2.63 bytes"),
        ({"x_stop": -1}, "describes an empty volume"),
    ],
)
def test_a_frame_without_measure_is_refused(answers: Answers, frame: dict[str, Any], told: str) -> None:
    answers.tell(coord=FRAME | frame)
    with answers.served() as server, pytest.raises(ValueError, match=told):
        opened(server)


def test_a_web_page_in_place_of_a_description_is_told_at_once(answers: Answers) -> None:
    answers.tell(coord=b"<!doctype html><title>Please log in</title>")
    with (
        answers.served() as server,
        pytest.raises(OSError, match="got a web page; check the variable INTERN_HOST"),
    ):
        opened(server)
    assert answers.asked.count("coord") == 1


def test_what_is_no_whole_description_is_asked_for_again(answers: Answers) -> None:
    answers.tell(coord=b'{"name": ')
    with answers.served() as server, pytest.raises(OSError, match=r"in 6 attempts \(its coordinate frame\)"):
        opened(server)
    assert answers.asked.count("coord") == 6


def test_a_description_without_end_is_not_held_in_memory(answers: Answers) -> None:
    answers.tell(coord=b" " * (20 << 20))
    with (
        answers.served() as server,
        pytest.raises(OSError, match=TOO_MUCH),
    ):
        opened(server)
    assert answers.asked.count("coord") == 1


def test_a_description_that_unpacks_without_end_is_not_held_in_memory(answers: Answers) -> None:
    answers.tell(coord=gzip.compress(bytes(200 << 20)))
    answers.answers["coord"][1]["Content-Encoding"] = "gzip"
    with (
        answers.served() as server,
        pytest.raises(OSError, match=TOO_MUCH),
    ):
        opened(server)


def test_a_description_that_is_packed_on_its_way_is_read(answers: Answers) -> None:
    answers.tell(coord=gzip.compress(json.dumps(FRAME).encode()))
    answers.answers["coord"][1]["Content-Encoding"] = "gzip"
    with answers.served() as server:
        assert opened(server).shape == (8, 64, 64)


def test_a_packing_without_measure_is_refused(answers: Answers) -> None:
    answers.answers["coord"][1]["Content-Encoding"] = "br"
    with answers.served() as server, pytest.raises(OSError, match="packed by br, which unpacks to any size"):
        opened(server)


def test_a_cutout_that_unpacks_to_more_than_its_box_is_not_unpacked(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers.tell(cutout=blosc.compress(bytes(100 << 20), typesize=1))
    monkeypatch.setattr(blosc, "decompress", lambda *_: pytest.fail("unpacked"))
    told = r"could not be decoded: it says to unpack to 104,857,600 bytes, and the box has at most 48$"
    with answers.served() as server, pytest.raises(OSError, match=told):
        opened(server).read(Box((0, 0, 0), (1, 2, 3)))


def test_a_cutout_of_eight_bytes_a_voxel_that_does_not_pack_is_read(
    answers: Answers, rng: np.random.Generator
) -> None:
    voxels = rng.integers(0, 1 << 64, (8, 64, 64), dtype=np.uint64)
    answers.tell(
        channel=CHANNEL | {"datatype": "uint64"}, cutout=blosc.compress(voxels.tobytes(), typesize=8)
    )
    with answers.served() as server:
        np.testing.assert_array_equal(opened(server).read(Box((0, 0, 0), (8, 64, 64))), voxels)


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (requests.exceptions.TooManyRedirects("Exceeded 30 redirects."), True),
        (requests.exceptions.InvalidURL("no host"), True),
        (requests.exceptions.ProxyError("Tunnel connection failed: 407 Authentication Required"), True),
        (requests.exceptions.ProxyError("Cannot connect to proxy."), False),
        (requests.exceptions.SSLError("UNEXPECTED_EOF_WHILE_READING"), False),
        (requests.exceptions.ChunkedEncodingError("it ended early"), False),
        (ValueError("cannot reshape"), False),
    ],
)
def test_only_what_may_pass_is_tried_again(error: Exception, final: bool) -> None:
    of = {"source": URI, "address": "https://host", "what": "its frame"}
    assert (final_error(error, **of) is not None) == final
    assert str(given_up(error, **of, attempts=2)).startswith(
        f"{URI}: no complete answer from host in 2 attempts"
    )


def test_an_error_of_the_system_is_told_without_its_number() -> None:
    of = {"source": URI, "address": "https://host", "what": "its frame"}
    error = given_up(OSError(28, "No space left on device"), **of, attempts=2)
    assert str(error).endswith("could not be decoded: No space left on device")
