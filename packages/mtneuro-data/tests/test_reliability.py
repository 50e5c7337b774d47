"""Bad networks, killed processes and crowds: what is read is right, and fetched once."""

import math
import multiprocessing
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from mtneuro_data import Cache, open_volume
from mtneuro_data._shared.files import is_temporary, name_beside
from mtneuro_data.cache.chunk import CHUNK
from mtneuro_data.serving import Catalogue, Faults, VolumeServer
from mtneuro_data.sources import boss as boss_source

URI = "bossdb://lab/scan/image"
fork = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="nothing forks here")
no_fork_warning = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture
def large(tmp_path: Path) -> np.ndarray:
    """Two hundred chunks: 2 x 10 x 10 of 32 x 128 x 128 voxels, the last ones cut short."""
    rng = np.random.default_rng(7)
    voxels = rng.integers(0, 256, (40, 1200, 1210), dtype=np.uint8)
    np.save(tmp_path / "large.npy", voxels)
    return voxels


@pytest.fixture
def server(large: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VolumeServer]:
    with VolumeServer(Catalogue({"lab/scan/image": open_volume(tmp_path / "large.npy")})) as server:
        server.service.requests = []
        monkeypatch.setenv("INTERN_HOST", server.address.host)
        monkeypatch.setenv("INTERN_PROTOCOL", "http")
        yield server


def started(target: Callable[..., None], *arguments: Any) -> Any:
    child = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    child.start()
    return child


def fill(root: Path) -> None:
    """Read the whole volume through a cache, as a child process does."""
    open_volume(URI, cache=Cache(root))[:, :, :]


def asked(server: VolumeServer) -> Counter[str]:
    return Counter(path for path in server.service.requests or [] if "/cutout/" in path)


@pytest.mark.parametrize("cached", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_every_voxel_is_right_though_a_third_of_the_answers_fail(
    server: VolumeServer, large: np.ndarray, tmp_path: Path, cached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boss_source, "NEAR_THREADS", 16)
    # However fast the server seems: one request a chunk, with and without a cache.
    for size in ("NEAR_BLOCK", "FAR_BLOCK", "FAR_BLOCK_OF_MANY"):
        monkeypatch.setattr(boss_source, size, CHUNK)
    server.service.faults = Faults(rate=0.3, seed=1, stall_s=0.2)
    opened = open_volume(URI, cache=Cache(tmp_path / "cache") if cached else None)
    np.testing.assert_array_equal(opened[:, :, :], large)
    requests = asked(server)
    assert len(requests) == 200
    assert requests.total() > 240


def test_wrong_voxels_that_pass_as_valid_are_caught_by_reading_twice(
    server: VolumeServer, large: np.ndarray
) -> None:
    server.service.faults = Faults(rate=0.05, kinds=("flip",))
    once = open_volume(URI)[0:40, :, :]
    assert not np.array_equal(once, large[0:40])
    careful = replace(server.address, double_read=True)
    np.testing.assert_array_equal(open_volume(URI, server=careful)[0:40, :, :], large[0:40])


def test_answers_that_never_agree_are_an_error(server: VolumeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.service.faults = Faults(rate=1, kinds=("flip",))
    cutouts = iter(range(1000))

    def unlike(*_: Any) -> np.ndarray:
        return np.full((1, 2, 3), next(cutouts) % 251, np.uint8)

    monkeypatch.setattr(server.service.catalogue, "cutout", unlike)
    opened = open_volume(URI, server=replace(server.address, double_read=True))
    with pytest.raises(OSError, match="no two answers of 7 agree"):
        opened[0:1, 0:2, 0:3]


@fork
@no_fork_warning
@pytest.mark.timeout(200)
@pytest.mark.parametrize("kills", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_a_download_killed_again_and_again_ends_bit_exact(
    server: VolumeServer,
    large: np.ndarray,
    tmp_path: Path,
    kills: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = Cache(tmp_path / "cache")
    server.service.latency_s = 0.03
    # Few at once, so that 50 kills do not see the end.
    monkeypatch.setattr(boss_source, "NEAR_THREADS", 2)
    monkeypatch.setattr(boss_source, "FAR_THREADS", 2)
    open_volume(URI)  # loads the client here, so that the children start at once
    moments = random.Random(5)
    progress = [0]
    for _ in range(kills):
        asked_for = len(server.service.requests or []) + moments.randint(1, 12)
        child = started(fill, cache.root)
        # By what it asked for and not by the clock, so that a busy machine sees kills in the middle too.
        while child.is_alive() and len(server.service.requests or []) < asked_for:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 2 * server.service.latency_s))
        child.kill()
        child.join()
        progress.append(sum(entry.chunks for entry in cache.entries()))
    assert progress == sorted(progress)
    assert len(set(progress)) > 2, "the kills must come in the middle to mean anything"
    assert cache.verify() == ()
    before = asked(server).total()
    server.service.latency_s = 0
    np.testing.assert_array_equal(open_volume(URI, cache=cache)[:, :, :], large)
    assert asked(server).total() - before == 200 - progress[-1]
    assert asked(server).total() <= 200 + 2 * kills, "a kill loses the two chunks in flight at most"
    assert cache.verify() == ()


@fork
@no_fork_warning
@pytest.mark.timeout(200)
def test_eight_processes_fill_one_cache_and_fetch_each_chunk_once(
    server: VolumeServer, large: np.ndarray, tmp_path: Path
) -> None:
    children = [started(fill, tmp_path / "cache") for _ in range(8)]
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 8
    requests = asked(server)
    assert len(requests) == 200
    assert requests.total() <= 202
    np.testing.assert_array_equal(
        open_volume(URI, cache=Cache(tmp_path / "cache", offline=True))[:, :, :], large
    )
    assert Cache(tmp_path / "cache").verify() == ()


@pytest.mark.slow
@fork
@no_fork_warning
@pytest.mark.timeout(600)
def test_eight_processes_on_one_cache_killed_20_times_while_a_third_of_the_answers_fail_end_bit_exact(
    server: VolumeServer, large: np.ndarray, tmp_path: Path
) -> None:
    root = tmp_path / "cache"
    server.service.faults = Faults(rate=0.3, seed=1, stall_s=0.2)
    server.service.latency_s = 0.05
    open_volume(URI)
    draw = random.Random(3)
    children = [started(fill, root) for _ in range(8)]
    killed = 0
    for _ in range(20):
        asked_for = len(server.service.requests or []) + draw.randint(1, 8)
        while len(server.service.requests or []) < asked_for and any(one.is_alive() for one in children):
            time.sleep(0.002)
        at = draw.randrange(8)
        killed += children[at].is_alive()
        children[at].kill()
        children[at].join()
        children[at] = started(fill, root)
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 8
    assert killed > 10, "the kills must come in the middle to mean anything"
    np.testing.assert_array_equal(open_volume(URI, cache=Cache(root, offline=True))[:, :, :], large)
    assert Cache(root).verify() == ()
    assert [path for path in root.rglob("*") if is_temporary(path.name)] == []


def test_a_verifying_cache_finds_a_flipped_byte_as_it_reads(
    server: VolumeServer, large: np.ndarray, tmp_path: Path
) -> None:
    cache = Cache(tmp_path / "cache")
    open_volume(URI, cache=cache)[0:16, 0:128, 0:128]
    chunk = next(path for path in cache.root.rglob("c/0/0/0"))
    content = bytearray(chunk.read_bytes())
    content[5] ^= 4
    chunk.write_bytes(content)
    careless = open_volume(URI, cache=cache)[0:16, 0:128, 0:128]
    assert not np.array_equal(careless, large[0:16, 0:128, 0:128])
    careful = open_volume(URI, cache=Cache(cache.root, verify=True))
    np.testing.assert_array_equal(careful[0:16, 0:128, 0:128], large[0:16, 0:128, 0:128])
    assert cache.verify() == ()


def test_a_limited_cache_drops_what_was_filled_longest_ago(
    server: VolumeServer, large: np.ndarray, tmp_path: Path
) -> None:
    chunk = math.prod(CHUNK)
    cache = Cache(tmp_path / "cache", limit_bytes=3 * chunk)
    opened = open_volume(URI, cache=cache)
    for x in range(0, 640, 128):
        np.testing.assert_array_equal(opened[0:16, 0:128, x : x + 128], large[0:16, 0:128, x : x + 128])
        assert cache.entries()[0].n_bytes <= 3 * chunk
        time.sleep(0.02)
    held = Cache(tmp_path / "cache", offline=True)
    assert open_volume(URI, cache=held)[0:1, 0:1, 500:501].shape == (1, 1, 1)
    with pytest.raises(FileNotFoundError, match=r"missing: 0\.0\.0"):
        open_volume(URI, cache=held)[0:1, 0:1, 0:1]
    with pytest.raises(ValueError, match=r"a box needs .* bytes of the cache, limit_bytes is"):
        opened[0:16, 0:300, 0:300]


def test_files_left_by_killed_writers_are_removed_after_an_hour(server: VolumeServer, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    open_volume(URI, cache=cache)[0:1, 0:1, 0:1]
    folder = next(path for path in cache.root.rglob("c/0/0/0")).parent
    old, new = name_beside(folder / "0"), name_beside(folder / "0")
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    cache.verify()
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize("shape", ["96,512,512", "1000,16384,32768"])
def test_one_chunk_costs_the_same_in_a_volume_of_any_size(tmp_path: Path, shape: str) -> None:
    # Half a terabyte is opened and read without a file or a loop that grows with it.
    cache = Cache(tmp_path / "cache")
    opened = open_volume(f"phantom://roi_labels?shape={shape}", cache=cache)
    opened[0:1, 0:1, 0:1]
    assert cache.entries()[0].chunks == 1
    assert len([path for path in cache.root.rglob("*") if path.is_file()]) == 5


def as_user(number: int, umask: int, told: Path, root: Path) -> None:
    """Read the whole volume through a cache as another user of the group 65534, and tell what went wrong."""
    os.setgroups([])
    os.setgid(65534)
    os.setuid(number)
    os.umask(umask)
    try:
        fill(root)
    except OSError as error:
        told.write_text(str(error))
        raise


@pytest.fixture
def shared_folder(server: VolumeServer, tmp_path: Path) -> Iterator[Path]:
    """A folder that a group shares, where other users reach it."""
    # Loads all libraries here: other users may not read them.
    open_volume(URI, cache=Cache(tmp_path / "first"))[0:1, 0:1, 0:1]
    server.service.requests = []
    with TemporaryDirectory() as folder:
        path = Path(folder)
        os.chown(path, -1, 65534)
        path.chmod(0o2775)
        yield path


two_users = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can be two users"
)


@fork
@no_fork_warning
@two_users
@pytest.mark.timeout(200)
def test_two_users_fill_one_cache_at_once(
    server: VolumeServer, large: np.ndarray, shared_folder: Path
) -> None:
    server.service.latency_s = 0.005
    told, chunks = shared_folder / "told", shared_folder / "c"
    users = [started(as_user, number, 0o002, told, chunks) for number in (65533, 65534)]
    for user in users:
        user.join()
    assert [user.exitcode for user in users] == [0, 0]
    assert asked(server).total() <= 202
    files = [path for path in chunks.rglob("*") if path.is_file()]
    assert {path.stat().st_uid for path in files} == {65533, 65534}, "both had a share"
    assert {path.stat().st_gid for path in files} == {65534}
    assert all(path.stat().st_mode & 0o060 == 0o060 for path in files)
    held = Cache(chunks, offline=True)
    np.testing.assert_array_equal(open_volume(URI, cache=held)[:, :, :], large)


@fork
@no_fork_warning
@two_users
@pytest.mark.timeout(200)
def test_a_cache_that_is_not_shared_is_read_by_others_and_says_what_to_set(
    shared_folder: Path,
) -> None:
    told, chunks = shared_folder / "told", shared_folder / "c"
    for number in (65533, 65534):
        user = started(as_user, number, 0o022, told, chunks)
        user.join()
        assert user.exitcode == 0
    Cache(chunks).entries()[0].folder.joinpath("chunks.sha256", "0.0.0").unlink()
    user = started(as_user, 65534, 0o022, told, chunks)
    user.join()
    assert user.exitcode == 1
    expected = r"cannot write the cache at .*: Permission denied; share it \(chgrp -R GROUP, chmod -R g\+rwXs"
    assert re.search(expected, told.read_text())
