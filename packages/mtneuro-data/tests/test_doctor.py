import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import Cache, open_volume
from mtneuro_data._shared.digests import array_digest
from mtneuro_data.doctor import Finding, findings
from mtneuro_data.serving import Catalogue, VolumeServer
from mtneuro_data.sources.boss import BossServer
from mtneuro_data.task import CHANNELS


@pytest.fixture
def server() -> Iterator[VolumeServer]:
    """The phantom under the names of the benchmark's own channels."""
    volumes = {
        uri.removeprefix("bossdb://"): open_volume(f"phantom://{name}") for name, uri in CHANNELS.items()
    }
    with VolumeServer(Catalogue(volumes)) as server:
        yield server


def looked(server: BossServer, root: Path) -> dict[str, Finding]:
    return {finding.what: finding for finding in findings(server=server, cache=Cache(root))}


def test_every_check_passes_for_a_complete_database(server: VolumeServer, tmp_path: Path) -> None:
    found = looked(server.address, tmp_path)
    assert len(found) == 8
    assert all(finding.ok for finding in found.values())
    assert "shape (720, 1420, 5805)" in found["channel image"].words
    assert "digest" in found["cutout of pixel_labels"].words
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_token_is_distinguished_from_an_unreachable_host(
    server: VolumeServer, tmp_path: Path
) -> None:
    host = server.address.host
    server.service.token = "secret"
    found = looked(BossServer(host=host, protocol="http"), tmp_path)
    assert found["host"].ok
    assert "refused the token" in found["channel image"].words
    server.close()
    found = looked(BossServer(host=host, protocol="http"), tmp_path)
    assert "does not answer on port" in found["host"].words
    assert "channel image" not in found


def test_a_missing_channel_is_named(tmp_path: Path) -> None:
    image = {CHANNELS["image"].removeprefix("bossdb://"): open_volume("phantom://image")}
    with VolumeServer(Catalogue(image)) as server:
        found = looked(server.address, tmp_path)
    assert found["cutout of image"].ok
    assert "has no such channel" in found["channel roi_labels"].words


def test_an_unknown_host_and_an_unwritable_cache_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> socket.socket:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", unknown)
    (tmp_path / "file").write_text("")
    found = looked(BossServer(host="absent.invalid"), tmp_path / "file" / "cache")
    assert "cannot be resolved" in found["host"].words
    assert "cannot write" in found["cache"].words


def found_of(uri: object, root: Path, **settings: Any) -> dict[str, Finding]:
    return {finding.what: finding for finding in findings(str(uri), cache=Cache(root), **settings)}


def test_any_volume_is_checked_with_a_cutout_of_its_middle(server: VolumeServer, tmp_path: Path) -> None:
    found = found_of("bossdb://prasad/prasad2020/image/0", tmp_path / "cache", server=server.address)
    assert list(found) == ["cache", "host", "volume", "cutout of its middle"]
    assert all(finding.ok for finding in found.values())
    assert "the public token is used" in found["host"].words
    assert "shape (720, 1420, 5805)" in found["volume"].words
    voxels = open_volume("phantom://image").read((359, 678, 2870), (361, 742, 2934))
    assert array_digest(voxels) in found["cutout of its middle"].words


def test_a_file_is_checked_too_and_what_is_wrong_with_it_told(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(24, dtype=np.uint8).reshape(1, 4, 6))
    found = found_of(tmp_path / "a.npy", tmp_path / "cache")
    assert list(found) == ["cache", "disk", "volume", "cutout of its middle"]
    assert "values 0 to 23" in found["cutout of its middle"].words
    assert "voxel not stated" in found["volume"].words
    found = found_of(tmp_path / "b.npy", tmp_path / "cache")
    assert list(found) == ["cache", "disk", "volume"]
    assert "no file or folder at" in found["volume"].words


def test_a_volume_at_an_address_is_checked_from_its_host_on(tmp_path: Path) -> None:
    found = found_of("precomputed://http://127.0.0.1:9/em", tmp_path / "cache")
    assert list(found) == ["cache", "host"]
    assert "127.0.0.1 does not answer on port 9" in found["host"].words


@pytest.mark.network
@pytest.mark.enable_socket
def test_every_check_passes_for_the_public_database(tmp_path: Path) -> None:
    found = looked(BossServer(), tmp_path)
    assert all(finding.ok for finding in found.values()), found
