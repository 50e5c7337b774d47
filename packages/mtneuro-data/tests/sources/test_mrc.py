import struct
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from mtneuro_data import open_volume

VOXELS = np.random.default_rng(0).integers(0, 120, (3, 4, 5))


def write(path: Path, voxels: np.ndarray, size: float | tuple[float, float, float] = (40, 4, 8)) -> None:
    with mrcfile.new(path) as made:
        made.set_data(voxels)
        made.set_volume()
        made.voxel_size = size[::-1] if isinstance(size, tuple) else size


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float32", "float16", ">i2"])
@pytest.mark.parametrize("name", ["a.mrc", "A.MAP", "a.rec"])
def test_voxels_and_their_size_are_read_in_the_order_z_y_x(tmp_path: Path, dtype: str, name: str) -> None:
    write(tmp_path / name, VOXELS.astype(dtype))
    opened = open_volume(tmp_path / name)
    assert opened.voxel_size_um == pytest.approx((0.004, 0.0004, 0.0008))
    assert opened.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(opened[1:3, 0:4, 2:5], VOXELS[1:3, :, 2:5])


def test_a_size_of_zero_is_unknown(tmp_path: Path) -> None:
    write(tmp_path / "a.mrc", VOXELS.astype(np.int16), 0.0)
    assert open_volume(tmp_path / "a.mrc").voxel_size_um is None


def test_columns_along_z_are_put_in_order(tmp_path: Path) -> None:
    write(tmp_path / "a.mrc", np.ascontiguousarray(VOXELS.T).astype(np.int16), 0.0)
    with mrcfile.open(tmp_path / "a.mrc", mode="r+") as made:
        header: Any = made.header
        header.mapc, header.mapr, header.maps = 3, 2, 1
        header.mx, header.my, header.mz = 5, 4, 3
        header.cella.x, header.cella.y, header.cella.z = 40, 16, 120
    opened = open_volume(tmp_path / "a.mrc")
    np.testing.assert_array_equal(opened[:, :, :], VOXELS)
    assert opened.voxel_size_um == pytest.approx((0.004, 0.0004, 0.0008))


@pytest.mark.parametrize(("flags", "dtype"), [(0, np.uint8), (1, np.int8)])
def test_bytes_have_a_sign_unless_imod_says_otherwise(tmp_path: Path, flags: int, dtype: type) -> None:
    write(tmp_path / "a.mrc", np.full((1, 2, 3), -56, np.int8))
    content = bytearray((tmp_path / "a.mrc").read_bytes())
    struct.pack_into("<2i", content, 152, 1146047817, flags)
    (tmp_path / "a.mrc").write_bytes(content)
    assert open_volume(tmp_path / "a.mrc")[0, 0, 0] == np.int8(-56).view(dtype)


def test_an_image_is_one_slice(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "a.mrc") as made:
        made.set_data(VOXELS[0].astype(np.int16))
    np.testing.assert_array_equal(open_volume(tmp_path / "a.mrc")[:, :, :], VOXELS[:1])


def test_what_is_no_volume_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mrc").write_bytes(b"no volume")
    with pytest.raises(ValueError, match="is not a readable MRC file"):
        open_volume(tmp_path / "a.mrc")
    with mrcfile.new(tmp_path / "b.mrc") as made:
        made.set_data(np.zeros((2, 3, 4), np.complex64))
    with pytest.raises(ValueError, match="a volume holds numbers, got the type complex64"):
        open_volume(tmp_path / "b.mrc")
    write(tmp_path / "c.mrc", VOXELS.astype(np.int16))
    (tmp_path / "c.mrc").write_bytes((tmp_path / "c.mrc").read_bytes()[:-4])
    with pytest.raises(ValueError, match="is not a readable MRC file"):
        open_volume(tmp_path / "c.mrc")
    with mrcfile.new(tmp_path / "d.mrc") as made:
        made.set_data(np.zeros((2, 2, 3, 4), np.int16))
    with pytest.raises(ValueError, match="one channel and one time, got axis 0: 2"):
        open_volume(tmp_path / "d.mrc")
