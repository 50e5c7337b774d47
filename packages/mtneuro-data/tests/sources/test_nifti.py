import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from mtneuro_data import open_volume
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
