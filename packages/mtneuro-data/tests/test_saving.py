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
    if ending != ".npy":
        assert opened.voxel_size_um == pytest.approx((3.0, 2.0, 1.0))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", FORMATS)
def test_wide_labels_come_back_too(tmp_path: Path, labels: np.ndarray, ending: str) -> None:
    path = tmp_path / f"labels{ending}"
    save_volume(path, labels + np.uint64(1 << 40), voxel_size_um=(1, 1, 1), labels=True)
    np.testing.assert_array_equal(open_volume(path)[:, :, :], labels + np.uint64(1 << 40))


@pytest.mark.parametrize("ending", FORMATS)
def test_an_unknown_voxel_size_stays_unknown(tmp_path: Path, volume: np.ndarray, ending: str) -> None:
    save_volume(tmp_path / f"a{ending}", volume, voxel_size_um=None)
    opened = open_volume(tmp_path / f"a{ending}")
    assert opened.voxel_size_um is None
    np.testing.assert_array_equal(opened[:, :, :], volume)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("dtype", [">u2", "int16", ">f4"])
def test_any_byte_order_and_sign_comes_back(tmp_path: Path, ending: str, dtype: str) -> None:
    voxels = (np.random.default_rng(0).random((3, 4, 1)) * 100 - (0 if "u" in dtype else 50)).astype(dtype)
    save_volume(
        tmp_path / f"A{ending.upper()}" if ending != ".zarr" else tmp_path / "a.zarr",
        voxels,
        voxel_size_um=None,
    )
    name = "a.zarr" if ending == ".zarr" else f"A{ending.upper()}"
    np.testing.assert_array_equal(open_volume(tmp_path / name)[:, :, :], voxels)


def test_masked_voxels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"keeps no mask: say what masked voxels are, voxels\.filled\(0\)"):
        save_volume(tmp_path / "a.npy", np.ma.masked_equal(np.ones((2, 3, 4)), 1), voxel_size_um=None)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "uint64"])
def test_images_of_any_type_keep_their_mean_in_every_level(tmp_path: Path, dtype: str) -> None:
    voxels = np.random.default_rng(0).integers(0, 250, (1, 512, 512)).astype(dtype)
    save_volume(tmp_path / "a.zarr", voxels, voxel_size_um=(1, 1, 1))
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="r")
    means = [float(np.asarray(group[str(level)]).mean()) for level in range(3)]
    assert means == pytest.approx([means[0]] * 3, rel=0.01)
    assert open_volume(tmp_path / "a.zarr").kind is None


def test_labels_of_any_number_keep_their_ids_and_are_told_from_images(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 1 << 40, (1, 8, 8)).astype(np.uint64)
    voxels = np.kron(ids, np.ones((1, 64, 64), np.uint64))
    save_volume(tmp_path / "a.zarr", voxels, voxel_size_um=(1, 1, 1), labels=True)
    coarse = open_volume(f"{tmp_path / 'a.zarr'}#2")
    assert set(np.unique(coarse[:, :, :])) <= set(np.unique(ids))
    assert coarse.kind == "annotation"


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
