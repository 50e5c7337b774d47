import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import Cache, open_volume
from mtneuro_data._shared.files import name_beside
from mtneuro_data.cache.chunk import CHUNK
from mtneuro_data.cache.store import CACHE_VERSION

IMAGE, LABELS = "bossdb://lab/scan/image", "bossdb://lab/scan/labels"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def folder_of(cache: Cache, boss: Any, channel: str) -> Path:
    host = boss.server.host.replace(":", "_")
    return cache.root / f"v{CACHE_VERSION}" / host / "lab" / "scan" / channel / "0"


def test_offline_reads_cached_chunks_and_names_missing_ones(boss: Any, cache: Cache) -> None:
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


def test_a_cache_of_another_version_is_refused(boss: Any, cache: Cache) -> None:
    open_volume(IMAGE, cache=cache)[0:1, 0:1, 0:1]
    path = folder_of(cache, boss, "image") / "cache.json"
    path.write_text(path.read_text().replace('"cache_version": 2', '"cache_version": 3'))
    for use in (lambda: open_volume(IMAGE, cache=cache), cache.entries, cache.verify):
        with pytest.raises(ValueError, match="has version 3, this program reads 2; remove it with"):
            use()
    assert cache.clear() == 1
    assert cache.entries() == ()


def test_a_volume_cached_by_an_older_version_is_refused_rather_than_cached_twice(
    boss: Any, cache: Cache
) -> None:
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


@pytest.mark.parametrize("removed", ["", "chunks.sha256"])
def test_a_store_that_is_being_made_or_was_left_half_made_is_no_entry(
    boss: Any, cache: Cache, removed: str
) -> None:
    open_volume(IMAGE, cache=cache)[0:1, 0:1, 0:1]
    folder = folder_of(cache, boss, "image")
    # The process that it names lives, so that it is not swept.
    beside = name_beside(folder)
    shutil.copytree(folder, beside)
    if removed:
        shutil.rmtree(beside / removed)
    assert [entry.folder for entry in cache.entries()] == [folder]
    assert cache.verify() == ()
    Cache(cache.root, limit_bytes=10**9).make_room(1)
    assert beside.exists()
    assert cache.clear(IMAGE) == 1


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


def test_a_cache_keeps_levels_and_looks_of_a_phantom_apart(tmp_path: Path) -> None:
    for query in ("", "&level=1", "&texture=0", "&contrast=0"):
        uri = f"phantom://image?seed=1{query}"
        kept = open_volume(uri, cache=Cache(tmp_path))[40:41, 200:220, 800:830]
        np.testing.assert_array_equal(kept, open_volume(uri)[40:41, 200:220, 800:830])
    assert len(Cache(tmp_path).entries()) == 4


def test_a_cache_on_a_link_is_filled_where_the_link_leads(boss: Any, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "disk")
    open_volume(IMAGE, cache=Cache(tmp_path / "cache"))[0:1, 0:1, 0:1]
    assert (tmp_path / "cache").is_symlink()
    assert [entry.chunks for entry in Cache(tmp_path / "disk", offline=True).entries()] == [1]
