from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mtneuro_data import Cache, open_volume
from mtneuro_data.cache.store import CACHE_VERSION

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


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def test_a_second_read_sends_no_request(boss: Any, cache: Cache) -> None:
    open_volume(IMAGE, cache=cache)[0:20, 0:150, 0:200]
    asked = len(boss.requests)
    open_volume(IMAGE, cache=Cache(cache.root))[0:20, 5:150, 0:200]
    assert len(boss.requests) == asked


def test_overlapping_boxes_share_chunks(boss: Any, cache: Cache) -> None:
    opened = open_volume(IMAGE, cache=cache)
    opened[0:4, 0:100, 0:100]
    opened[2:16, 50:128, 20:128]
    assert len(boss.cutouts) == 1


@pytest.mark.parametrize("channel", ["image", "labels"])
def test_a_chunk_cut_short_is_fetched_again(boss: Any, cache: Cache, channel: str) -> None:
    opened = open_volume(f"bossdb://lab/scan/{channel}", cache=cache)
    opened[0:1, :, :]
    chunk = folder_of(cache, boss, channel) / "volume.zarr" / "c" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:100])
    np.testing.assert_array_equal(opened[0:1, :, :], boss.volumes[channel][0:1])
