import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from intern import array
from intern.convenience.array import _BossDBVolumeProvider  # the one way to give it another host
from intern.remote.boss import BossRemote
from mtneuro_data import open_volume
from mtneuro_data.serving import Catalogue, VolumeServer
from mtneuro_data.sources.boss import BossServer


def remote(server: BossServer) -> BossRemote:
    return BossRemote({"protocol": server.protocol, "host": server.host, "token": server.token})


def intern_array(server: BossServer, channel: str, level: int = 0) -> Any:
    return array(
        f"bossdb://lab/scan/{channel}",
        resolution=level,
        volume_provider=_BossDBVolumeProvider(remote(server)),
    )


def test_interns_own_array_reads_the_volume(boss: Any, volume: np.ndarray, labels: np.ndarray) -> None:
    image = intern_array(boss.server, "image")
    assert image.shape == volume.shape
    assert image.dtype == "uint8"
    np.testing.assert_array_equal(image[3:9, 10:60, 20:90], volume[3:9, 10:60, 20:90])
    np.testing.assert_array_equal(
        intern_array(boss.server, "labels")[0:4, 0:50, 0:60], labels[0:4, 0:50, 0:60]
    )


@pytest.mark.parametrize("kind", ["npy", "zarr"])
def test_intern_uploads_to_a_writable_server(tmp_path: Path, volume: np.ndarray, kind: str) -> None:
    path = tmp_path / f"own.{kind}"
    if kind == "npy":
        np.save(path, np.zeros_like(volume))
    else:
        zarr.create_array(str(path), shape=volume.shape, chunks=(8, 32, 32), dtype="uint8")
    catalogue = Catalogue({"lab/scan/image": open_volume(path, writable=True)})
    with VolumeServer(catalogue, writable=True) as server:
        intern_array(server.address, "image")[5:25, 10:60, 20:90] = volume[5:25, 10:60, 20:90]
    expected = np.zeros_like(volume)
    expected[5:25, 10:60, 20:90] = volume[5:25, 10:60, 20:90]
    np.testing.assert_array_equal(open_volume(path)[:, :, :], expected)


def test_a_server_is_read_only_by_default(boss: Any, volume: np.ndarray) -> None:
    import requests

    before = volume.copy()
    with pytest.raises(requests.HTTPError, match=r"\(403\).*read-only"):
        intern_array(boss.server, "image")[0:2, 0:3, 0:4] = np.ones((2, 3, 4), np.uint8)
    np.testing.assert_array_equal(boss.volumes["image"], before)


def test_a_port_that_is_taken_or_out_of_range_is_refused(boss: Any) -> None:
    catalogue = boss.service.catalogue
    taken = int(boss.server.host.split(":")[1])
    with pytest.raises(OSError, match=rf"cannot listen on 127.0.0.1:{taken}: .*; give another port"):
        VolumeServer(catalogue, port=taken)
    with pytest.raises(ValueError, match=r"port must lie within \[0, 65536\), got 65536"):
        VolumeServer(catalogue, port=65536)


@pytest.mark.parametrize(
    "origin", ["*", "null", "evil.example", "https://evil.example/", "https://evil.example/page", "file://"]
)
def test_an_origin_that_no_browser_sends_is_refused(boss: Any, origin: str) -> None:
    with pytest.raises(ValueError, match=r"an origin must be scheme://host\[:port\]"):
        VolumeServer(boss.service.catalogue, allow_origins=[origin])


def test_a_server_answers_to_its_names_alone(boss: Any) -> None:
    assert {"127.0.0.1", "localhost", socket.gethostname().lower()} <= boss.service.hosts


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_a_server_listens_on_an_ipv6_address(boss: Any, volume: np.ndarray) -> None:
    try:
        server = VolumeServer(boss.service.catalogue, host="::1")
    except OSError as error:
        pytest.skip(str(error))
    with server:
        assert server.address.host.startswith("[::1]:")
        opened = open_volume("bossdb://lab/scan/image", server=server.address)
        np.testing.assert_array_equal(opened[0:2, 0:3, 0:4], volume[0:2, 0:3, 0:4])
