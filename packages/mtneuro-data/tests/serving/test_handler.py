import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from intern.remote.boss import BossRemote
from mtneuro_data import open_volume
from mtneuro_data.serving import Catalogue, VolumeServer
from mtneuro_data.sources.boss import BossServer


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
