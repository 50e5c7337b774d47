from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from mtneuro_data import downsampled_images, downsampled_labels, open_volume
from mtneuro_data.saving import FORMATS, save_volume


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


def test_volumes_that_cannot_be_saved_are_refused(tmp_path: Path, volume: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"must end in one of \.npy, .*, got a\.png"):
        save_volume(tmp_path / "a.png", volume, voxel_size_um=(1, 1, 1))
    with pytest.raises(ValueError, match="NIfTI has no type for bool"):
        save_volume(tmp_path / "a.nii", volume > 3, voxel_size_um=(1, 1, 1))
    (tmp_path / "file").write_text("")
    for name in ("a.nii", "a.zarr"):
        with pytest.raises(OSError, match=r"cannot write .*file/a\.(nii|zarr): "):
            save_volume(tmp_path / "file" / name, volume, voxel_size_um=(1, 1, 1))


@pytest.mark.parametrize("ending", FORMATS)
def test_a_volume_replaces_an_older_one(tmp_path: Path, volume: np.ndarray, ending: str) -> None:
    path = tmp_path / f"volume{ending}"
    for voxels in (volume, volume[:2]):
        save_volume(path, voxels, voxel_size_um=(1, 1, 1))
    np.testing.assert_array_equal(open_volume(path)[:, :, :], volume[:2])


@pytest.mark.parametrize("ending", FORMATS)
def test_a_volume_replaces_nothing_else(tmp_path: Path, volume: np.ndarray, ending: str) -> None:
    path = tmp_path / f"volume{ending}"
    zarr.create_array(path, data=volume)
    with pytest.raises(FileExistsError, match=r"only (a file|an OME-Zarr) may be replaced, and .* is none"):
        save_volume(path, volume, voxel_size_um=(1, 1, 1))
    assert np.array_equal(np.asarray(zarr.open_array(path)[:]), volume)
