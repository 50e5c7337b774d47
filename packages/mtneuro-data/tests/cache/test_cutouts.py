import errno
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import Cache, Cube, SplitPart, TaskSpec, load, open_volume
from mtneuro_data.box import Box
from mtneuro_data.cache.cutouts import Cutouts
from mtneuro_data.cache.store import ChunkStore

IMAGE, LABELS = "bossdb://lab/scan/image", "bossdb://lab/scan/labels"


BOX = Box((3, 10, 20), (37, 140, 190))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtneuro_data.cache.cutouts._FROM_BYTES", 1000)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def kept(cache: Cache) -> list[Path]:
    return sorted(cache.root.rglob("cutouts/*.npy"))


def read(cache: Cache, *, uri: str = IMAGE, out: np.ndarray | None = None) -> np.ndarray:
    volume = open_volume(uri, cache=cache)
    return volume.read_boxes([BOX], out=None if out is None else [out], keep=True)[0]


def truth(boss: Any, channel: str = "image") -> np.ndarray:
    return boss.volumes[channel][3:37, 10:140, 20:190]


def test_a_loaded_cube_is_kept_as_a_file_and_read_without_its_chunks(boss: Any, cache: Cache) -> None:
    task = TaskSpec(
        name="one",
        kind="region",
        image=IMAGE,
        regions=("CTX",),
        cubes={"A-CTX": Cube(region="CTX", y=(10, 140), x=(20, 190))},
        splits={"train": (SplitPart(cubes=("A-CTX",), z=(3, 37)),)},
    )
    first = load(task, "train", cache=cache)
    (path,) = kept(cache)
    assert path.name == "3-37_10-140_20-190.npy"
    np.testing.assert_array_equal(np.load(path), truth(boss))
    shutil.rmtree(path.parents[1] / "volume.zarr" / "c")
    shutil.rmtree(path.parents[1] / "chunks.sha256")
    np.testing.assert_array_equal(
        load(task, "train", cache=Cache(cache.root, offline=True)).images, first.images
    )


def test_a_box_reads_the_same_from_its_chunks_and_whole_into_any_array(boss: Any, cache: Cache) -> None:
    for _ in range(2):
        np.testing.assert_array_equal(read(cache), truth(boss))
        for out in (np.zeros(truth(boss).shape, np.uint8), np.zeros(truth(boss).shape, np.uint8, order="F")):
            np.testing.assert_array_equal(read(cache, out=out), truth(boss))
            np.testing.assert_array_equal(out, truth(boss))


def test_a_box_that_is_read_once_is_not_kept(boss: Any, cache: Cache) -> None:
    np.testing.assert_array_equal(open_volume(IMAGE, cache=cache)[3:37, 10:140, 20:190], truth(boss))
    assert kept(cache) == []


def test_labels_are_not_kept_whole(boss: Any, cache: Cache) -> None:
    np.testing.assert_array_equal(read(cache, uri=LABELS), truth(boss, "labels"))
    assert kept(cache) == []


@pytest.mark.parametrize("settings", [{"limit_bytes": 1 << 30}, {"verify": True}])
def test_a_limited_or_verifying_cache_keeps_no_boxes(
    boss: Any, tmp_path: Path, settings: dict[str, Any]
) -> None:
    cache = Cache(tmp_path / "cache", **settings)
    np.testing.assert_array_equal(read(cache), truth(boss))
    assert kept(cache) == []


def test_a_small_box_is_not_kept(boss: Any, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtneuro_data.cache.cutouts._FROM_BYTES", 1 << 22)
    np.testing.assert_array_equal(read(cache), truth(boss))
    assert kept(cache) == []


def test_a_box_is_kept_from_undamaged_chunks_alone(boss: Any, cache: Cache) -> None:
    open_volume(IMAGE, cache=cache)[3:37, 10:140, 20:190]
    chunk = next(path for path in cache.root.rglob("volume.zarr/c/*/*/*") if path.is_file())
    chunk.write_bytes(bytes(chunk.stat().st_size))
    read(cache)
    assert kept(cache) == []
    assert cache.verify() == (chunk,)
    np.testing.assert_array_equal(read(cache), truth(boss))
    assert len(kept(cache)) == 1


def test_chunks_are_hashed_once_and_only_for_a_box_that_is_then_kept(
    boss: Any, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_volume(IMAGE, cache=cache)[3:37, 10:140, 20:190]
    hashed: list[Any] = []
    whole = ChunkStore.is_whole
    monkeypatch.setattr(
        ChunkStore, "is_whole", lambda store, chunk: hashed.append(chunk) or whole(store, chunk)
    )
    monkeypatch.setattr("mtneuro_data.cache.cutouts._FROM_BYTES", 1 << 22)
    read(cache)
    assert hashed == []
    monkeypatch.setattr("mtneuro_data.cache.cutouts._FROM_BYTES", 1000)
    read(cache)
    assert len(hashed) == len(set(hashed)) == 8
    read(cache)
    assert len(hashed) == 8


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: b"",
        lambda content: content.replace(b"|u1", b"|i1"),
        lambda content: content.replace(b"(34,", b"(35,"),
    ],
)
def test_a_damaged_file_is_assembled_from_chunks_again(
    boss: Any, cache: Cache, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    read(cache)
    (path,) = kept(cache)
    path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(read(cache), truth(boss))
    assert "is damaged" in caplog.text
    np.testing.assert_array_equal(np.load(path), truth(boss))


def test_verify_finds_flipped_bytes_and_files_without_a_digest(boss: Any, cache: Cache) -> None:
    read(cache)
    (path,) = kept(cache)
    assert cache.verify() == ()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert cache.verify() == (path,)
    assert kept(cache) == []
    read(cache)
    path.with_suffix(".sha256").unlink()
    assert cache.verify() == (path,)


def test_kept_boxes_count_towards_the_size_and_are_deleted_first(boss: Any, cache: Cache) -> None:
    open_volume(IMAGE, cache=cache)[3:37, 10:140, 20:190]
    (before,) = cache.entries()
    read(cache)
    (path,) = kept(cache)
    (entry,) = cache.entries()
    assert entry.n_bytes - before.n_bytes == path.stat().st_size
    Cache(cache.root, limit_bytes=1 << 30).make_room(1)
    assert kept(cache) == []
    assert cache.entries() == (before,)


def test_a_full_disk_prevents_keeping_a_box_whole_and_nothing_else(
    boss: Any, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("mtneuro_data.cache.cutouts.np.save", full)
    np.testing.assert_array_equal(read(cache), truth(boss))
    assert kept(cache) == []
    assert [path.name for path in cache.root.rglob("cutouts/.*")] == []


def test_boxes_of_one_folder_do_not_mix(tmp_path: Path) -> None:
    cutouts = Cutouts(tmp_path, np.dtype(np.uint8))
    boxes = [Box((z, 0, x), (z + 10, 20, x + 30)) for z, x in ((0, 0), (0, 1), (1, 0))]
    for value, box in enumerate(boxes):
        cutouts.keep(box, np.full((10, 20, 30), value, np.uint8))
    for value, box in enumerate(boxes):
        found = cutouts.read(box, None)
        assert found is not None
        assert (found == value).all()
    assert cutouts.read(Box((0, 0, 0), (10, 20, 31)), None) is None
