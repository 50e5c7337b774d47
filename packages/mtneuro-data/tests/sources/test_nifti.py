import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from mtneuro_data import open_volume
from mtneuro_data._shared import bounds
from mtneuro_data.sources.nifti import nifti_bytes


def test_a_nifti_header_worked_by_hand() -> None:
    content = nifti_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4), voxel_size_um=(3000, 2000, 1000))
    assert struct.unpack_from("<4h", content, 40) == (3, 4, 3, 2)
    assert struct.unpack_from("<4f", content, 76) == (1, 1, 2, 3)
    assert content[352:] == bytes(range(24))


def test_a_nifti_of_the_other_byte_order_is_read(tmp_path: Path) -> None:
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    header = bytearray(352)
    struct.pack_into(">i", header, 0, 348)
    struct.pack_into(">8h", header, 40, 4, 4, 3, 2, 1, 1, 1, 1)
    struct.pack_into(">2h", header, 70, 4, 16)
    struct.pack_into(">8f", header, 76, 1, 0.001, 0.002, 0.003, 0, 0, 0, 0)
    struct.pack_into(">3f", header, 108, 352, 0, 0)
    header[344:348] = b"n+1\0"
    (tmp_path / "a.nii").write_bytes(bytes(header) + voxels.astype(">i2").tobytes())
    opened = open_volume(tmp_path / "a.nii")
    assert opened.voxel_size_um == pytest.approx((3, 2, 1))
    np.testing.assert_array_equal(opened[:, :, :], voxels)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no volume",
        gzip.compress(b"no volume", mtime=0),
        nifti_bytes(np.ones((2, 3, 4), np.uint8), voxel_size_um=(1, 1, 1))[:360],
    ],
)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_damaged_nifti_is_refused(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="is not a readable NIfTI-1 file"):
        open_volume(tmp_path / name)


def claiming(columns: int, rows: int, slices: int) -> bytes:
    """Return a header that claims so many voxels, and no voxels."""
    header = bytearray(nifti_bytes(np.zeros((1, 1, 1), np.uint8), voxel_size_um=(1, 1, 1))[:352])
    struct.pack_into("<4h", header, 40, 3, columns, rows, slices)
    return bytes(header)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_header_that_claims_more_than_memory_is_refused_with_both_sizes(tmp_path: Path, name: str) -> None:
    content = claiming(30_000, 30_000, 30_000)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(ValueError, match=r"must fit into memory, got 27,000\.0 GB of [\d,.]+ .B at hand"):
        open_volume(tmp_path / name)


def test_no_more_is_unpacked_than_the_header_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "_ALWAYS", 0)
    monkeypatch.setattr(bounds, "memory_at_hand", lambda: 1000)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(claiming(4, 3, 2) + bytes(50 << 20)))
    tracemalloc.start()
    try:
        assert open_volume(tmp_path / "a.nii.gz").shape == (2, 3, 4)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("place", [float("inf"), float("nan"), -1.0, 1e12])
def test_voxels_that_begin_nowhere_are_refused(tmp_path: Path, place: float) -> None:
    content = bytearray(claiming(4, 3, 2) + bytes(24))
    struct.pack_into("<f", content, 108, place)
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(ValueError, match="its voxels must begin after its header"):
        open_volume(tmp_path / "a.nii")
