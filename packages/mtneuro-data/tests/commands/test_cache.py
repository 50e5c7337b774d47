from pathlib import Path
from typing import Any

import pytest
from mtneuro_data import Cache, open_volume


@pytest.fixture
def chunk(shell: Any, boss: Any) -> Path:
    """One chunk of each of two channels in the user's cache; the path of the image's."""
    cache = Cache()
    for channel in ("image", "labels"):
        open_volume(f"bossdb://lab/scan/{channel}", cache=cache).read((0, 0, 0), (1, 8, 8))
    return next(path for path in cache.root.rglob("image/0/volume.zarr/c/*/*/*") if path.is_file())


def test_the_list_names_channels_with_their_chunks_and_bytes(shell: Any, chunk: Path) -> None:
    status, out, _ = shell("cache", "list")
    image, _, total = out.splitlines()
    assert status == 0
    # A chunk is 32 x 128 x 128 voxels, of one byte each in an image.
    assert image == "bossdb://lab/scan/image  uint8  1 chunk  524,288 bytes"
    assert total.startswith("2 channels, ")


def test_a_whole_cache_is_verified_with_status_0(shell: Any, chunk: Path) -> None:
    status, out, _ = shell("cache", "verify")
    assert (status, out) == (0, "2 chunks checked, 0 damaged\n")


def test_a_damaged_chunk_is_named_with_status_1_and_dropped(shell: Any, chunk: Path) -> None:
    chunk.write_bytes(b"")
    status, out, _ = shell("cache", "verify")
    assert (status, out) == (1, f"{chunk}\n2 chunks checked, 1 damaged, dropped\n")
    assert shell("cache", "verify")[0] == 0


def test_one_channel_is_cleared_and_then_all(shell: Any, chunk: Path) -> None:
    assert shell("cache", "clear", "bossdb://lab/scan/image")[1].startswith("1 channel removed")
    assert [entry.uri for entry in Cache().entries()] == ["bossdb://lab/scan/labels"]
    assert shell("cache", "clear")[1].startswith("1 channel removed")
    assert Cache().entries() == ()
