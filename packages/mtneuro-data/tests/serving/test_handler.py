import http.client
import json
import socket
import urllib.error
import urllib.request
from contextlib import closing
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

import blosc
import numpy as np
import pytest
from intern.remote.boss import BossRemote
from mtneuro_data import open_volume
from mtneuro_data.serving import Catalogue, VolumeServer
from mtneuro_data.sources.boss import BossServer

CUTOUT = "/v1/cutout/lab/scan/image/0/0:8/0:4/0:2/"


def remote(server: BossServer) -> BossRemote:
    return BossRemote({"protocol": server.protocol, "host": server.host, "token": server.token})


def answer(server: BossServer, path: str, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(f"http://{server.host}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_interns_lists_and_ids(boss: Any, labels: np.ndarray) -> None:
    client = remote(boss.server)
    assert client.list_collections() == ["lab"]
    assert client.list_experiments("lab") == ["scan"]
    assert client.list_channels("lab", "scan") == ["image", "labels"]
    channel = client.get_channel("labels", "lab", "scan")
    ids = client.get_ids_in_region(channel, 0, [0, 9], [0, 9], [0, 9], [0, 1])
    assert sorted(ids) == [1, 2, 3]
    only = client.get_cutout(channel, 0, [0, 9], [0, 8], [0, 7], id_list=[2, 3])
    box = labels[0:7, 0:8, 0:9]
    np.testing.assert_array_equal(only, np.where(box >= 2, box, 0))
    timed = client.get_cutout(channel, 0, [0, 9], [0, 8], [0, 7], [0, 1])
    np.testing.assert_array_equal(timed[0], box)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/collection/lab/experiment/scan/channel/absent", 404, 4000),
        ("/v1/collection/absent", 404, 4000),
        ("/v1/coord/absent", 404, 4000),
        ("/v2/collection/lab", 404, 4000),
        ("/v1/cutout/lab/scan/image/0/0:5/0:5/0:41/", 400, 1001),
        ("/v1/cutout/lab/scan/image/0/5:5/0:5/0:1/", 400, 1001),
        ("/v1/cutout/lab/scan/image/0/-1:5/0:5/0:1/", 400, 1001),
        ("/v1/cutout/lab/scan/image/0/0:1/0:1/0:1/3:4/", 400, 1001),
        ("/v1/cutout/lab/scan/image/7/0:1/0:1/0:1/", 400, 1000),
        ("/v1/cutout/lab/scan/image/0/../../etc/", 400, 1000),
        ("/v1/cutout/lab/scan/absent/0/0:1/0:1/0:1/", 404, 4000),
        ("/zarr/lab/scan/image/9/zarr.json", 404, 4000),
        ("/zarr/lab/scan/image/0/c/9/0/0", 404, 4000),
        ("/zarr/lab/scan/image/0/c/..%2F..%2Fx", 404, 4000),
    ],
)
def test_a_wrong_request_is_answered_as_the_database_does(
    boss: Any, path: str, status: int, code: int
) -> None:
    got, about = answer(boss.server, path)
    assert (got, about["status"], about["code"]) == (status, status, code)


def test_a_cutout_too_large_for_the_database_is_refused(tmp_path: Path) -> None:
    with VolumeServer(Catalogue({"lab/scan/em": open_volume("phantom://image")})) as server:
        status, about = answer(server.address, "/v1/cutout/lab/scan/em/0/0:5805/0:1420/0:720/")
    assert (status, about["code"]) == (413, 2000)


def test_a_token_is_required_if_one_is_set(boss: Any) -> None:
    boss.service.token = "secret"
    assert answer(boss.server, "/v1/collection/lab")[0] == 401
    assert answer(boss.server, "/v1/collection/lab", Authorization="Token wrong")[0] == 401
    assert answer(boss.server, "/v1/collection/lab", Authorization="Token secret")[0] == 200
    assert answer(boss.server, "/zarr/lab/scan/image/zarr.json")[0] == 401
    assert answer(boss.server, "/zarr/lab/scan/image/zarr.json", Authorization="Token secret")[0] == 200


class Answer(NamedTuple):
    status: int
    headers: Message
    about: dict[str, Any]


def exchange(boss: Any, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """Return the answer to a request whose headers may lie."""
    with closing(http.client.HTTPConnection(boss.server.host, timeout=20)) as connection:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        response = connection.getresponse()
        told = response.read()
        is_json = response.headers["Content-Type"] == "application/json"
        return Answer(response.status, response.headers, json.loads(told) if is_json else {})


@pytest.mark.parametrize(
    ("path", "length", "status"),
    [
        ("/absent", "600000000", 404),
        (CUTOUT, "600000000", 413),
        (CUTOUT, "-1", 400),
        (CUTOUT, "abc", 400),
        (CUTOUT, "1e20", 400),
    ],
)
def test_a_body_is_refused_before_it_is_read(boss: Any, path: str, length: str, status: int) -> None:
    boss.service.writable = True
    got = exchange(boss, "POST", path, Content_Length=length)
    assert (got.status, got.about["status"], got.headers["Connection"]) == (status, status, "close")


def test_a_client_that_waits_before_its_body_is_told_to_go_on_only_by_the_gate(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", np.zeros((2, 4, 8), np.uint8))
    catalogue = Catalogue({"lab/scan/image": open_volume(tmp_path / "image.npy", writable=True)})
    body = blosc.compress(bytes(range(64)), typesize=1)
    with VolumeServer(catalogue) as server:
        host, port = server.address.host.split(":")
        lines = [
            f"POST {CUTOUT} HTTP/1.1",
            f"Host: {server.address.host}",
            f"Content-Length: {len(body)}",
            "Expect: 100-continue",
            "Connection: close",
        ]
        for writable, expected in ((False, b"HTTP/1.1 403 "), (True, b"HTTP/1.1 100 ")):
            server.service.writable = writable
            with socket.create_connection((host, int(port)), timeout=20) as opened:
                opened.sendall("\r\n".join([*lines, "", ""]).encode())
                assert opened.recv(1 << 16).startswith(expected)
                if writable:
                    opened.sendall(body)
                    assert opened.recv(1 << 16).startswith(b"HTTP/1.1 201 ")
    np.testing.assert_array_equal(np.load(tmp_path / "image.npy").ravel(), range(64))


def test_a_body_that_unpacks_to_more_than_its_box_is_refused_unpacked(
    boss: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    boss.service.writable = True
    bomb = blosc.compress(bytes(40 << 20), typesize=1)
    monkeypatch.setattr(blosc, "decompress", lambda _: pytest.fail("it was unpacked"))
    whole = "/v1/cutout/lab/scan/image/0/0:200/0:150/0:40/"
    for body in (bomb, bomb[:20], b"x" * 40, b""):
        got = exchange(boss, "POST", whole, body, Content_Length=str(len(body)))
        assert got.status == 400
        assert got.about["message"].startswith("the body is not a compressed cutout of the shape")


def test_a_page_of_another_name_reads_nothing(boss: Any) -> None:
    got = exchange(boss, "GET", "/v1/collection", Host="evil.example")
    assert got.status == 421


def test_only_a_page_of_an_allowed_origin_is_shown_answers_and_refusals(boss: Any) -> None:
    page = "https://neuroglancer-demo.appspot.com"
    for path in ("/zarr/lab/scan/image/zarr.json", "/zarr/lab/scan/image/0/c/9/9/9"):
        got = exchange(boss, "GET", path, Origin=page)
        assert got.status == 403
        assert got.headers["Access-Control-Allow-Origin"] is None
    boss.service.origins = frozenset({page})
    for method, path, status in (
        ("GET", "/zarr/lab/scan/image/zarr.json", 200),
        ("GET", "/zarr/lab/scan/image/0/c/9/9/9", 404),
        ("OPTIONS", "/zarr/lab/scan/image/zarr.json", 204),
    ):
        got = exchange(boss, method, path, Origin=page)
        assert got.status == status
        assert got.headers["Access-Control-Allow-Origin"] == page


def test_a_page_cannot_write_to_a_writable_server(boss: Any) -> None:
    boss.service.writable = True
    boss.service.origins = frozenset({"https://neuroglancer-demo.appspot.com"})
    before = boss.volumes["image"].copy()
    body = blosc.compress(bytes(64), typesize=1)
    for origin in ("https://evil.example", "null", *boss.service.origins):
        got = exchange(boss, "POST", CUTOUT, body, Content_Length=str(len(body)), Origin=origin)
        assert got.status == 403
    np.testing.assert_array_equal(boss.volumes["image"], before)


def test_a_head_request_is_answered_without_a_body(boss: Any) -> None:
    connection = http.client.HTTPConnection(boss.server.host, timeout=20)
    for _ in range(2):  # over one connection
        connection.request("HEAD", "/v1/collection")
        response = connection.getresponse()
        assert (response.status, response.read()) == (405, b"")
    connection.close()
