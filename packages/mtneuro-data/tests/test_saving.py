import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from mtneuro_data import downsampled_images, downsampled_labels, open_volume
from mtneuro_data.saving import FORMATS, save_volume
from mtneuro_data.sources.nifti import nifti_bytes


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_comes_back_as_it_was(tmp_path: Path, volume: np.ndarray, ending: str) -> None:
    path = tmp_path / f"volume{ending}"
    save_volume(path, volume, voxel_size_um=(3.0, 2.0, 1.0))
    opened = open_volume(path)
    assert opened.dtype == np.uint8
    np.testing.assert_array_equal(opened[:, :, :], volume)
    if ending not in (".npy", ".tif", ".tiff"):
        assert opened.voxel_size_um == pytest.approx((3.0, 2.0, 1.0))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", FORMATS)
def test_wide_labels_come_back_too(tmp_path: Path, labels: np.ndarray, ending: str) -> None:
    path = tmp_path / f"labels{ending}"
    save_volume(path, labels + np.uint64(1 << 40), voxel_size_um=(1, 1, 1), labels=True)
    np.testing.assert_array_equal(open_volume(path)[:, :, :], labels + np.uint64(1 << 40))


@pytest.mark.parametrize("of_labels", [False, True])
def test_an_ome_zarr_has_levels_in_whole_shards(tmp_path: Path, of_labels: bool) -> None:
    voxels = np.random.default_rng(0).integers(0, 4, (20, 520, 600), dtype=np.uint8)
    save_volume(tmp_path / "a.zarr", voxels, voxel_size_um=(3.0, 2.0, 1.0), labels=of_labels)
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="r")
    reduced = downsampled_labels if of_labels else downsampled_images
    level: np.ndarray = voxels
    for name in ("0", "1", "2"):
        array = group[name]
        assert isinstance(array, zarr.Array)
        assert array.shards is not None
        np.testing.assert_array_equal(np.asarray(array[:]), level)
        level = reduced(level, 2)
    about = group.attrs["ome"]
    assert isinstance(about, dict)
    assert about["version"] == "0.5"


def test_imagej_is_told_the_voxel_size(tmp_path: Path, volume: np.ndarray) -> None:
    save_volume(tmp_path / "a.tif", volume, voxel_size_um=(3.0, 2.0, 1.0))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.imagej_metadata is not None
        assert file.imagej_metadata["spacing"] == 3.0
        page = file.pages.first
        numerator, denominator = page.tags["XResolution"].value
        assert numerator / denominator == pytest.approx(1.0)


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


def test_what_cannot_be_saved_is_refused(tmp_path: Path, volume: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"must end in one of \.npy, .*, got a\.png"):
        save_volume(tmp_path / "a.png", volume, voxel_size_um=(1, 1, 1))
    with pytest.raises(ValueError, match="NIfTI has no type for bool"):
        save_volume(tmp_path / "a.nii", volume > 3, voxel_size_um=(1, 1, 1))
    save_volume(tmp_path / "a.zarr", volume, voxel_size_um=(1, 1, 1))
    with pytest.raises(FileExistsError, match="exists already"):
        save_volume(tmp_path / "a.zarr", volume, voxel_size_um=(1, 1, 1))
    (tmp_path / "file").write_text("")
    for name in ("a.nii", "a.zarr"):
        with pytest.raises(OSError, match=r"cannot write .*file/a\.(nii|zarr): "):
            save_volume(tmp_path / "file" / name, volume, voxel_size_um=(1, 1, 1))
