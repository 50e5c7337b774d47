from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import Cache, open_volume
from mtneuro_data.sources import locate


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("v2.zarr", None),
        ("v3.zarr", (3, 2, 1)),
        ("named.zarr", None),
        ("ome.zarr", (0.04, 0.004, 0.004)),
        ("a.n5", (0.04, 0.004, 0.004)),
        ("bare.n5", None),
        ("many.n5", (0.04, 0.004, 0.004)),
    ],
)
def test_arrays_at_an_address_are_read_as_they_are_described(
    web: Any, truth: dict[str, np.ndarray], name: str, size: Any
) -> None:
    volume = open_volume(f"http://{web.host}/{name}")
    assert (volume.shape, volume.dtype, volume.kind) == (truth["array"].shape, np.uint16, None)
    assert volume.voxel_size_um == (None if size is None else pytest.approx(size))
    np.testing.assert_array_equal(volume[:, :, :], truth["array"])
    np.testing.assert_array_equal(volume[3:30, 7:8, 20:80], truth["array"][3:30, 7:8, 20:80])


def test_an_array_of_two_axes_is_one_slice(web: Any, truth: dict[str, np.ndarray]) -> None:
    volume = open_volume(f"http://{web.host}/flat.zarr")
    assert volume.shape == (1, 70, 90)
    np.testing.assert_array_equal(volume[0:1, 5:9, 3:80], truth["array"][0:1, 5:9, 3:80])


@pytest.mark.parametrize("name", ["ome.zarr", "many.n5"])
def test_levels_are_read_with_their_voxel_size(web: Any, truth: dict[str, np.ndarray], name: str) -> None:
    coarse = open_volume(f"http://{web.host}/{name}#1")
    assert coarse.voxel_size_um == pytest.approx((0.04, 0.008, 0.008))
    np.testing.assert_array_equal(coarse[:, :, :], truth["array"][:, ::2, ::2])
    for level in ("2", "fine"):
        with pytest.raises(ValueError, match="level"):
            open_volume(f"http://{web.host}/{name}#{level}")


def test_an_image_of_labels_is_an_annotation(web: Any) -> None:
    assert open_volume(f"http://{web.host}/labels.zarr").kind == "annotation"


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("colours.zarr", ValueError, "a volume has one channel and one time, got c: 2"),
        ("v2.zarr#1", ValueError, "is one array and has no levels, got #1"),
        ("a.n5#1", ValueError, "is one array and has no levels, got #1"),
        ("raw8", ValueError, "must be a Zarr or an N5, got a precomputed volume; write precomputed://http"),
        ("nothing", FileNotFoundError, "there is no Zarr and no N5 at this address"),
    ],
)
def test_what_is_no_volume_is_refused(web: Any, name: str, kind: type, text: str) -> None:
    with pytest.raises(kind, match=text):
        open_volume(f"http://{web.host}/{name}")


def test_a_server_that_gives_no_parts_of_files_is_told(web: Any) -> None:
    web.whole = True
    with pytest.raises(OSError, match=r"must give parts of a file where they are asked for \(HTTP's Range\)"):
        open_volume(f"http://{web.host}/named.zarr")[0:1, 0:1, 0:1]


def test_a_cache_keeps_what_an_address_gives(web: Any, truth: dict[str, np.ndarray], tmp_path: Path) -> None:
    uri = f"http://{web.host}/v3.zarr"
    open_volume(uri, cache=Cache(tmp_path))[0:9, 0:9, 0:9]
    cached = open_volume(uri, cache=Cache(tmp_path, offline=True))
    np.testing.assert_array_equal(cached[0:9, 0:9, 0:9], truth["array"][:9, :9, :9])
    assert locate(uri).cache_key != locate(f"{uri}#1").cache_key


def test_a_served_volume_is_read_with_the_databases_token(
    written: Path, boss: Any, volume: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    boss.service.token = "secret"
    address = f"http://{boss.server.host}/zarr/lab/scan/image"
    with pytest.raises(PermissionError, match="refused"):
        open_volume(address)
    monkeypatch.setenv("INTERN_TOKEN", "secret")
    opened = open_volume(address)
    np.testing.assert_array_equal(opened[3:20, 100:140, 90:150], volume[3:20, 100:140, 90:150])


def test_the_databases_token_goes_to_no_other_host(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERN_HOST", "api.bossdb.io")
    monkeypatch.setenv("INTERN_TOKEN", "secret")
    open_volume(f"http://{web.host}/v3.zarr")[0:1, 0:1, 0:1]
    assert web.headers
    assert not any("Authorization" in headers for headers in web.headers)


def test_an_address_that_cannot_be_reached_is_told_with_what_to_do(written: Path) -> None:
    with pytest.raises(ConnectionError, match="the host cannot be reached; check the network and the host"):
        open_volume("http://127.0.0.1:9/a.zarr")
