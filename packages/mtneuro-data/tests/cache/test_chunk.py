from pathlib import Path

import numpy as np
import pytest
from mtneuro_data import Box
from mtneuro_data.cache.chunk import CHUNK, ChunkReader, DamagedChunkError, chunks_of, packed, raw


@pytest.fixture
def voxels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, CHUNK, dtype=np.uint8)


def written(folder: Path, content: bytes) -> str:
    (folder / "0" / "1").mkdir(parents=True)
    (folder / "0" / "1" / "2").write_bytes(content)
    return str(folder)


def test_chunks_are_named_once_however_many_boxes_touch_them() -> None:
    boxes = [Box((0, 0, 100), (33, 1, 129)), Box((31, 127, 0), (32, 128, 1))]
    assert chunks_of(boxes) == [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 1)]


@pytest.mark.parametrize("compressed", [False, True])
def test_some_slices_and_rows_of_a_chunk_are_read(
    tmp_path: Path, voxels: np.ndarray, compressed: bool
) -> None:
    folder = written(tmp_path, packed(voxels) if compressed else raw(voxels))
    reader = ChunkReader(folder, np.dtype(np.uint8), compressed=compressed)
    found = reader.voxels((0, 1, 2), slice(3, 9), slice(100, 128))
    np.testing.assert_array_equal(found, voxels[3:9, 100:128])


def test_labels_come_in_the_type_that_their_file_holds(tmp_path: Path, voxels: np.ndarray) -> None:
    wide = voxels.astype(np.uint32) << 20
    reader = ChunkReader(written(tmp_path, packed(wide)), np.dtype(np.uint8), compressed=True)
    np.testing.assert_array_equal(reader.voxels((0, 1, 2), slice(0, 32), slice(0, 128)), wide)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_cut_short_is_damaged(tmp_path: Path, voxels: np.ndarray, compressed: bool) -> None:
    content = packed(voxels) if compressed else raw(voxels)
    reader = ChunkReader(written(tmp_path, content[:-9]), np.dtype(np.uint8), compressed=compressed)
    with pytest.raises(DamagedChunkError, match="0/1/2 is damaged"):
        reader.voxels((0, 1, 2), slice(0, 32), slice(0, 128))


def test_labels_that_say_to_unpack_to_more_than_a_chunk_are_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(tmp_path, packed(np.zeros((64, 1024, 1024), np.uint8)))
    monkeypatch.setattr("numcodecs.zstd.decompress", lambda *_: pytest.fail("unpacked"))
    reader = ChunkReader(folder, np.dtype(np.uint8), compressed=True)
    with pytest.raises(DamagedChunkError, match="it says to unpack to 67108864 bytes"):
        reader.voxels((0, 1, 2), slice(0, 1), slice(0, 1))
