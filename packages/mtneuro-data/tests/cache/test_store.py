import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from mtneuro_data import Cache, open_volume
from mtneuro_data._shared.files import name_beside
from mtneuro_data.cache.chunk import CHUNK
from mtneuro_data.cache.store import CACHE_VERSION, ChunkStore

IMAGE, LABELS = "bossdb://lab/scan/image", "bossdb://lab/scan/labels"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def folder_of(cache: Cache, boss: Any, channel: str) -> Path:
    host = boss.server.host.replace(":", "_")
    return cache.root / f"v{CACHE_VERSION}" / host / "lab" / "scan" / channel / "0"


def test_the_store_is_a_zarr_array_that_others_open(boss: Any, cache: Cache) -> None:
    for uri, channel in ((IMAGE, "image"), (LABELS, "labels")):
        open_volume(uri, cache=cache)[:, :, :]
        array: Any = zarr.open_array(str(folder_of(cache, boss, channel) / "volume.zarr"), mode="r")
        assert array.metadata.dimension_names == ("z", "y", "x")
        assert (array.chunks, array.dtype) == (CHUNK, np.uint8)
        assert array.attrs["voxel_size_um"] == [1.0, 1.0, 1.0]
        np.testing.assert_array_equal(array[:], boss.volumes[channel])


def test_labels_are_widened_when_they_must_be(boss: Any, cache: Cache) -> None:
    boss.volumes["labels"][35, 0, 0] = 70_000
    opened = open_volume(LABELS, cache=cache)
    opened[0:16, :, :]
    assert opened.dtype == np.uint8
    np.testing.assert_array_equal(opened[:, :, :], boss.volumes["labels"])
    assert opened.dtype == np.uint32
    array: Any = zarr.open_array(str(folder_of(cache, boss, "labels") / "volume.zarr"), mode="r")
    np.testing.assert_array_equal(array[:], boss.volumes["labels"])
    assert cache.verify() == ()
    assert len(boss.cutouts) == 2 * 2 * 2


def test_the_layout_on_disk_is_fixed(boss: Any, cache: Cache) -> None:
    open_volume(IMAGE, cache=cache)[0:1, 0:1, 0:1]
    folder = folder_of(cache, boss, "image")
    names = sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != ".locks"
    )
    assert names == ["cache.json", "chunks.sha256/0.0.0", "volume.zarr/c/0/0/0", "volume.zarr/zarr.json"]
    assert json.loads((folder / "cache.json").read_text())["cache_version"] == CACHE_VERSION == 2


def test_a_chunk_without_a_digest_counts_as_missing(boss: Any, cache: Cache) -> None:
    # So a process killed between the two writes leaves nothing that is taken for whole.
    opened = open_volume(IMAGE, cache=cache)
    opened[0:1, 0:1, 0:1]
    (folder_of(cache, boss, "image") / "chunks.sha256" / "0.0.0").unlink()
    opened[0:1, 0:1, 0:1]
    assert len(boss.cutouts) == 2


def test_a_full_disk_is_one_line_and_leaves_nothing(
    boss: Any, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_volume(IMAGE, cache=cache)
    opened.shape  # noqa: B018 - makes the store

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"cannot write the cache at .*the disk is full.*MTNEURO_CACHE"):
        opened[0:1, 0:1, 0:1]
    monkeypatch.undo()
    assert [
        path
        for path in cache.root.rglob("*")
        if path.is_file() and path.parent.name not in ("0", "volume.zarr", ".locks")
    ] == []


def test_stores_created_at_the_same_time_are_one(tmp_path: Path) -> None:
    about: Any = {"uri": "u", "shape": (4, 4, 4), "dtype": np.dtype("uint8"), "voxel_size_um": None}
    first = ChunkStore.create(tmp_path / "0", **about)
    first.write((0, 0, 0), np.ones((4, 4, 4), np.uint8))
    assert ChunkStore.create(tmp_path / "0", **about).has((0, 0, 0))
    assert [path.name for path in tmp_path.iterdir()] == ["0"]


@pytest.fixture
def store(tmp_path: Path) -> ChunkStore:
    return ChunkStore.create(
        tmp_path / "0", uri="u", shape=(4, 4, 4), dtype=np.dtype("uint8"), voxel_size_um=None
    )


def test_voxels_are_on_the_disk_before_their_name_is(
    store: ChunkStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronised: list[tuple[int, bool]] = []

    def noted(file: int) -> None:
        synchronised.append((os.fstat(file).st_ino, store.chunk_path((0, 0, 0)).exists()))

    monkeypatch.setattr(os, "fsync", noted)
    store.write((0, 0, 0), np.ones((4, 4, 4), np.uint8))
    assert synchronised == [(store.chunk_path((0, 0, 0)).stat().st_ino, False)]


def test_a_lock_is_for_whoever_may_write_in_its_folder(store: ChunkStore) -> None:
    locks = store.folder / ".locks"
    locks.mkdir()
    locks.chmod(0o770)
    with store.claimed((0, 0, 0), wait_s=0):
        (lock,) = locks.iterdir()
        assert lock.stat().st_mode & 0o777 == 0o660


def test_what_was_left_of_a_store_that_was_being_made_is_swept(store: ChunkStore) -> None:
    half = name_beside(store.folder)
    half.mkdir()
    store.sweep()
    assert half.exists(), "someone may be at work on it"
    os.utime(half, (0, 0))
    store.sweep()
    assert not half.exists()
    assert store.folder.exists()
