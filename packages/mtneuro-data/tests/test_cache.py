import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mtneuro_data import Cache, open_volume
from mtneuro_data.cache.chunk import CHUNK
from mtneuro_data.cache.store import CACHE_VERSION, ChunkStore

IMAGE, LABELS = "bossdb://lab/scan/image", "bossdb://lab/scan/labels"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def folder_of(cache: Cache, boss: Any, channel: str) -> Path:
    host = boss.server.host.replace(":", "_")
    return cache.root / f"v{CACHE_VERSION}" / host / "lab" / "scan" / channel / "0"


@pytest.mark.parametrize("channel", ["image", "labels"])
def test_cached_voxels_are_the_sources(boss: Any, cache: Cache, channel: str) -> None:
    opened = open_volume(f"bossdb://lab/scan/{channel}", cache=cache)
    for _ in range(2):
        np.testing.assert_array_equal(
            opened[3:35, 10:150, 100:200], boss.volumes[channel][3:35, 10:150, 100:200]
        )


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_box_equals_the_same_box_of_the_source(boss: Any, cache: Cache, data: st.DataObject) -> None:
    opened = open_volume(IMAGE, cache=cache)
    key = tuple(
        slice(*sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))))
        for n in opened.shape
    )
    np.testing.assert_array_equal(opened[key], boss.volumes["image"][key])


def test_several_boxes_are_read_at_once_and_into_arrays(boss: Any, cache: Cache) -> None:
    boxes: Any = [((0, 0, 0), (40, 150, 200)), ((3, 120, 100), (36, 140, 180)), ((31, 0, 5), (33, 1, 6))]
    for channel in ("image", "labels"):
        expected = [boss.volumes[channel][z0:z1, y0:y1, x0:x1] for (z0, y0, x0), (z1, y1, x1) in boxes]
        for kept in (None, cache):
            opened = open_volume(f"bossdb://lab/scan/{channel}", cache=kept)
            out = [np.empty(voxels.shape, opened.dtype) for voxels in expected]
            for arrays in (opened.read_boxes(boxes), opened.read_boxes(boxes, out=out), out):
                for voxels, right in zip(arrays, expected, strict=True):
                    np.testing.assert_array_equal(voxels, right)


def test_reading_side_by_side_is_reading_one_by_one(
    boss: Any, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtneuro_data.cache.source._PARALLEL_FROM", 1)
    for channel in ("image", "labels"):
        opened = open_volume(f"bossdb://lab/scan/{channel}", cache=cache)
        np.testing.assert_array_equal(opened[1:39, 7:149, 3:190], boss.volumes[channel][1:39, 7:149, 3:190])


def test_arrays_to_read_into_must_fit(boss: Any, cache: Cache) -> None:
    opened = open_volume(IMAGE, cache=cache)
    for out, text in (
        ([], "an array for each of 1 boxes, got 0"),
        ([np.empty((1, 2, 4), np.uint8)], r"of the shape \(1, 2, 3\), got uint8 of \(1, 2, 4\)"),
        ([np.empty((1, 2, 3), np.uint16)], r"must be uint8 .*, got uint16"),
    ):
        with pytest.raises(ValueError, match=text):
            opened.read_boxes([((0, 0, 0), (1, 2, 3))], out=out)
    assert opened.read_boxes([]) == []


def test_a_second_read_asks_nothing(boss: Any, cache: Cache) -> None:
    open_volume(IMAGE, cache=cache)[0:20, 0:150, 0:200]
    asked = len(boss.requests)
    open_volume(IMAGE, cache=Cache(cache.root))[0:20, 5:150, 0:200]
    assert len(boss.requests) == asked


def test_overlapping_boxes_share_chunks(boss: Any, cache: Cache) -> None:
    opened = open_volume(IMAGE, cache=cache)
    opened[0:4, 0:100, 0:100]
    opened[2:16, 50:128, 20:128]
    assert len(boss.cutouts) == 1


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


def test_offline_reads_what_is_there_and_names_what_is_not(boss: Any, cache: Cache) -> None:
    open_volume(IMAGE, cache=cache)[0:16, 0:128, 0:128]
    asked = len(boss.requests)
    offline = Cache(cache.root, offline=True)
    opened = open_volume(IMAGE, cache=offline)
    np.testing.assert_array_equal(opened[0:5, 0:9, 0:9], boss.volumes["image"][0:5, 0:9, 0:9])
    with pytest.raises(
        FileNotFoundError, match=r"2 chunks of bossdb://lab/scan/image are missing: 0.0.1, 1.0.1"
    ):
        opened[0:35, 0:9, 130:140]
    with pytest.raises(FileNotFoundError, match="holds nothing of bossdb://lab/scan/labels"):
        open_volume(LABELS, cache=offline)
    assert len(boss.requests) == asked


def test_verify_finds_a_flipped_byte_and_it_is_fetched_again(boss: Any, cache: Cache) -> None:
    opened = open_volume(IMAGE, cache=cache)
    opened[:, :, :]
    chunk = folder_of(cache, boss, "image") / "volume.zarr" / "c" / "1" / "0" / "1"
    content = bytearray(chunk.read_bytes())
    content[7] ^= 1
    chunk.write_bytes(content)
    assert cache.verify() == (chunk,)
    np.testing.assert_array_equal(opened[:, :, :], boss.volumes["image"])
    assert cache.verify() == ()


@pytest.mark.parametrize("channel", ["image", "labels"])
def test_a_chunk_cut_short_is_fetched_again(boss: Any, cache: Cache, channel: str) -> None:
    opened = open_volume(f"bossdb://lab/scan/{channel}", cache=cache)
    opened[0:1, :, :]
    chunk = folder_of(cache, boss, channel) / "volume.zarr" / "c" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:100])
    np.testing.assert_array_equal(opened[0:1, :, :], boss.volumes[channel][0:1])


def test_a_chunk_without_a_digest_is_not_there(boss: Any, cache: Cache) -> None:
    # So a process killed between the two writes leaves nothing that is taken for whole.
    opened = open_volume(IMAGE, cache=cache)
    opened[0:1, 0:1, 0:1]
    (folder_of(cache, boss, "image") / "chunks.sha256" / "0.0.0").unlink()
    opened[0:1, 0:1, 0:1]
    assert len(boss.cutouts) == 2


def test_a_cache_of_another_version_is_refused(boss: Any, cache: Cache) -> None:
    open_volume(IMAGE, cache=cache)[0:1, 0:1, 0:1]
    path = folder_of(cache, boss, "image") / "cache.json"
    path.write_text(path.read_text().replace('"cache_version": 2', '"cache_version": 3'))
    for use in (lambda: open_volume(IMAGE, cache=cache), cache.entries, cache.verify):
        with pytest.raises(ValueError, match="has version 3, this program reads 2; remove it with"):
            use()
    assert cache.clear() == 1
    assert cache.entries() == ()


def test_what_an_older_version_kept_is_refused_rather_than_kept_twice(boss: Any, cache: Cache) -> None:
    open_volume(IMAGE, cache=cache)[0:1, 0:1, 0:1]
    path = folder_of(cache, boss, "image") / "cache.json"
    path.write_text(path.read_text().replace('"cache_version": 2', '"cache_version": 1'))
    (cache.root / "v2").rename(cache.root / "v1")
    with pytest.raises(
        ValueError, match=r"has version 1, this program reads 2; remove it with: .* cache clear"
    ):
        open_volume(IMAGE, cache=cache)
    assert cache.clear() == 1
    assert open_volume(IMAGE, cache=cache).shape == (40, 150, 200)


def test_entries_are_listed_and_cleared_by_uri(boss: Any, cache: Cache) -> None:
    open_volume(IMAGE, cache=cache)[0:1, :, :]
    open_volume(LABELS, cache=cache)[0:1, :, :]
    assert [(entry.uri, entry.chunks) for entry in cache.entries()] == [(IMAGE, 4), (LABELS, 4)]
    assert cache.entries()[0].n_bytes == 4 * np.prod(CHUNK)
    with pytest.raises(
        ValueError, match=r"holds nothing of bossdb://x/y/z; it holds bossdb://lab/scan/image"
    ):
        cache.clear("bossdb://x/y/z")
    assert cache.clear(IMAGE) == 1
    assert [entry.uri for entry in cache.entries()] == [LABELS]


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


def test_a_file_in_the_caches_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="must be a folder"):
        Cache(tmp_path / "file")


def test_the_environment_moves_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTNEURO_CACHE", str(tmp_path / "here"))
    assert Cache().root == tmp_path / "here"


def test_phantoms_of_different_seeds_and_shapes_are_kept_apart(cache: Cache) -> None:
    for query in ("seed=1&shape=8,40,50", "seed=2&shape=8,40,50", "seed=1&shape=8,50,40"):
        uri = f"phantom://pixel_labels?{query}"
        kept = open_volume(uri, cache=cache)[0:8, 0:40, 0:40]
        np.testing.assert_array_equal(kept, open_volume(uri)[0:8, 0:40, 0:40])
    assert len(cache.entries()) == 3


def test_stores_made_at_once_are_one(tmp_path: Path) -> None:
    about: Any = {"uri": "u", "shape": (4, 4, 4), "dtype": np.dtype("uint8"), "voxel_size_um": None}
    first = ChunkStore.create(tmp_path / "0", **about)
    first.write((0, 0, 0), np.ones((4, 4, 4), np.uint8))
    assert ChunkStore.create(tmp_path / "0", **about).has((0, 0, 0))
    assert [path.name for path in tmp_path.iterdir()] == ["0"]
