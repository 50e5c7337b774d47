import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from intern import array
from intern.convenience.array import _BossDBVolumeProvider  # the one way to give it another host
from intern.remote.boss import BossRemote
from mtneuro_data import downsampled_labels, open_volume
from mtneuro_data.serving import Catalogue, Faults, VolumeServer
from mtneuro_data.serving.zarr_view import neuroglancer_link, zarr_file
from mtneuro_data.sources.boss import BossServer


def remote(server: BossServer) -> BossRemote:
    return BossRemote({"protocol": server.protocol, "host": server.host, "token": server.token})


def intern_array(server: BossServer, channel: str, level: int = 0) -> Any:
    return array(
        f"bossdb://lab/scan/{channel}",
        resolution=level,
        volume_provider=_BossDBVolumeProvider(remote(server)),
    )


def answer(server: BossServer, path: str, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(f"http://{server.host}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_interns_own_array_reads_the_volume(boss: Any, volume: np.ndarray, labels: np.ndarray) -> None:
    image = intern_array(boss.server, "image")
    assert image.shape == volume.shape
    assert image.dtype == "uint8"
    np.testing.assert_array_equal(image[3:9, 10:60, 20:90], volume[3:9, 10:60, 20:90])
    np.testing.assert_array_equal(
        intern_array(boss.server, "labels")[0:4, 0:50, 0:60], labels[0:4, 0:50, 0:60]
    )


def test_levels_are_means_of_images_and_majorities_of_labels(boss: Any, labels: np.ndarray) -> None:
    reduced = intern_array(boss.server, "labels", level=1)
    assert reduced.shape == (40, 75, 100)
    np.testing.assert_array_equal(reduced[0:2, 0:75, 0:100], downsampled_labels(labels[0:2], 2))


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


def test_a_token_is_asked_for_where_one_is_set(boss: Any) -> None:
    boss.service.token = "secret"
    assert answer(boss.server, "/v1/collection/lab")[0] == 401
    assert answer(boss.server, "/v1/collection/lab", Authorization="Token wrong")[0] == 401
    assert answer(boss.server, "/v1/collection/lab", Authorization="Token secret")[0] == 200


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


def test_only_files_that_can_be_written_are_opened_so() -> None:
    with pytest.raises(ValueError, match=r"only a \.npy file or a Zarr array can be written, got phantom"):
        open_volume("phantom://image?shape=8,40,40", writable=True)


def test_channels_that_cannot_be_served_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4), np.uint8))
    np.save(tmp_path / "b.npy", np.zeros((2, 3, 5), np.uint8))
    np.save(tmp_path / "c.npy", np.zeros((2, 3, 4), np.float32))
    a, b, c = (open_volume(tmp_path / f"{name}.npy") for name in "abc")
    for volumes, text in (
        ({}, "at least one channel"),
        ({"lab/scan": a}, "collection/experiment/channel, got 'lab/scan'"),
        ({"lab/../a": a}, "collection/experiment/channel"),
        ({"lab/scan/a": a, "lab/scan/b": b}, r"lab/scan/a has \(2, 3, 4\), lab/scan/b has \(2, 3, 5\)"),
        ({"lab/scan/c": c}, "holds uint8, uint16, uint64, got a volume of float32"),
    ):
        with pytest.raises(ValueError, match=text):
            Catalogue(volumes)
    with pytest.raises(ValueError, match="levels must be 1 or more"):
        Catalogue({"lab/scan/a": a}, levels=0)


def test_a_port_that_is_taken_or_is_none_is_refused(boss: Any) -> None:
    catalogue = boss.service.catalogue
    taken = int(boss.server.host.split(":")[1])
    with pytest.raises(OSError, match=rf"cannot listen on 127.0.0.1:{taken}: .*; give another port"):
        VolumeServer(catalogue, port=taken)
    with pytest.raises(ValueError, match=r"port must lie within \[0, 65536\), got 65536"):
        VolumeServer(catalogue, port=65536)


def test_the_zarr_view_opens_as_ome_zarr(boss: Any, tmp_path: Path, volume: np.ndarray) -> None:
    # Every file that the view has is fetched as a browser would, and opened as a local store.
    catalogue = boss.service.catalogue
    names = [("zarr.json",), ("0", "zarr.json"), ("1", "zarr.json")]
    names += [("0", "c", str(z), str(y), str(x)) for z in range(3) for y in range(2) for x in range(2)]
    for name in names:
        with urllib.request.urlopen(
            f"http://{boss.server.host}/zarr/lab/scan/image/{'/'.join(name)}"
        ) as file:
            assert file.headers["Access-Control-Allow-Origin"] == "*"
            target = tmp_path.joinpath("view.zarr", *name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read())
    opened = open_volume(tmp_path / "view.zarr")
    assert opened.voxel_size_um == (1.0, 1.0, 1.0)
    np.testing.assert_array_equal(opened[:, :, :], volume)
    assert zarr_file(catalogue, ("lab", "scan", "image", "0", "c", "3", "0", "0")) is None


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_zarr_at_an_address_is_read(boss: Any, volume: np.ndarray) -> None:
    pytest.importorskip("aiohttp", reason="the extra `remote` is not installed")
    pytest.importorskip("fsspec")
    opened = open_volume(f"http://{boss.server.host}/zarr/lab/scan/image")
    assert opened.shape == volume.shape
    np.testing.assert_array_equal(opened[3:20, 100:140, 90:150], volume[3:20, 100:140, 90:150])


def test_the_web_address_of_a_channel_opens_it(boss: Any, volume: np.ndarray) -> None:
    opened = open_volume(f"http://{boss.server.host}/v1/mgmt/resources/lab/scan/image")
    np.testing.assert_array_equal(opened[3:5, 10:14, 9:15], volume[3:5, 10:14, 9:15])


def test_the_link_names_every_channel(boss: Any) -> None:
    link = urllib.parse.unquote(neuroglancer_link(boss.service.catalogue, "http://127.0.0.1:1"))
    assert "zarr://http://127.0.0.1:1/zarr/lab/scan/labels" in link
    assert '"type":"segmentation"' in link


def test_faults_depend_on_the_seed_and_not_on_the_order() -> None:
    paths = [f"/v1/cutout/{n}" for n in range(400)]
    one, two, other = Faults(rate=0.3), Faults(rate=0.3), Faults(rate=0.3, seed=1)
    forwards = [one.next(path) for path in paths]
    assert forwards == [two.next(path) for path in reversed(paths)][::-1]
    assert forwards != [other.next(path) for path in paths]
    assert sum(fault is not None for fault in forwards) == pytest.approx(120, abs=30)


@pytest.mark.usefixtures("unchecked")
def test_wrong_faults_are_refused() -> None:
    kinds: Any = ("stal",)
    with pytest.raises(ValueError, match=r"within \[0, 1\], got 2"):
        Faults(rate=2)
    with pytest.raises(ValueError, match="did you mean 'stall'"):
        Faults(rate=0.5, kinds=kinds)
