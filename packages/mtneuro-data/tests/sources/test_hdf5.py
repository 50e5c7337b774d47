import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mtneuro_data import open_volume

VOXELS = np.random.default_rng(0).integers(0, 250, (3, 4, 5), dtype=np.uint8)


def write(path: Path, arrays: dict[str, np.ndarray], **about: Any) -> None:
    with h5py.File(path, "w") as made:
        for name, array in arrays.items():
            made.create_dataset(name, data=array, compression="gzip").attrs.update(about)


@pytest.mark.parametrize("name", ["a.h5", "A.HDF5", "a.hdf"])
def test_the_only_array_of_three_axes_is_taken(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, {"volumes/raw": VOXELS, "mean": VOXELS[0, 0]}, element_size_um=(3, 2, 1))
    opened = open_volume(tmp_path / name)
    np.testing.assert_array_equal(opened[1:3, 1:4, 0:2], VOXELS[1:3, 1:4, :2])
    assert opened.voxel_size_um == (3.0, 2.0, 1.0)


def test_one_of_several_is_named_and_otherwise_they_are_listed(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", {"raw": VOXELS, "labels/ids": VOXELS.astype(np.uint64)})
    told = r"named as FILE\.h5#NAME: labels/ids \(3, 4, 5\) uint64, raw \(3, 4, 5\) uint8"
    with pytest.raises(ValueError, match=told):
        open_volume(tmp_path / "a.h5")
    assert open_volume(f"{tmp_path}/a.h5#labels/ids").dtype == np.uint64
    assert open_volume(f"{tmp_path}/a.h5#/raw").dtype == np.uint8
    with pytest.raises(ValueError, match="has no array 'row', only labels/ids"):
        open_volume(f"{tmp_path}/a.h5#row")


@pytest.mark.parametrize(
    ("about", "size"),
    [
        ({"resolution": (40.0, 4.0, 8.0), "units": "nm"}, (0.04, 0.004, 0.008)),
        ({"resolution": (40.0, 4.0, 8.0), "unit": ["nm", "nm", "um"]}, (0.04, 0.004, 8.0)),
        ({"resolution": (40.0, 4.0, 8.0)}, None),
        ({"resolution": (40.0, 4.0, 8.0), "units": "pixel"}, None),
        ({"resolution": 4.0, "units": "nm"}, None),
        ({"element_size_um": (0.0, 1.0, 1.0)}, None),
        ({"voxel_size_um": (3.0, 2.0, 1.0)}, (3.0, 2.0, 1.0)),
        ({}, None),
    ],
)
def test_a_size_is_what_is_stated_with_its_unit(tmp_path: Path, about: dict[str, Any], size: Any) -> None:
    write(tmp_path / "a.h5", {"raw": VOXELS}, **about)
    assert open_volume(tmp_path / "a.h5").voxel_size_um == (None if size is None else pytest.approx(size))


@pytest.mark.parametrize("axes", ["zyx", "xyz", "zyxc", "tczyx", "yxz"])
def test_axes_are_put_in_the_order_that_the_file_names(tmp_path: Path, axes: str) -> None:
    sizes = dict(zip("zyx", VOXELS.shape, strict=True))
    stored = VOXELS.transpose(["zyx".index(axis) for axis in axes if axis in "zyx"])
    tags = json.dumps({"axes": [{"key": axis} for axis in axes]})
    write(tmp_path / "a.h5", {"raw": stored.reshape([sizes.get(axis, 1) for axis in axes])}, axistags=tags)
    opened = open_volume(tmp_path / "a.h5")
    np.testing.assert_array_equal(opened[:, 1:3, :], VOXELS[:, 1:3, :])


def test_labels_of_dimensions_name_the_axes_too(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as made:
        dataset = made.create_dataset("raw", data=VOXELS.T)
        for dimension, name in zip(dataset.dims, "xyz", strict=True):
            dimension.label = name
    np.testing.assert_array_equal(open_volume(tmp_path / "a.h5")[:, :, :], VOXELS)


def test_what_is_no_volume_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"no volume")
    with pytest.raises(ValueError, match="is not a readable HDF5 file"):
        open_volume(tmp_path / "a.h5")
    write(tmp_path / "b.h5", {})
    with pytest.raises(ValueError, match=r"must hold one array of three axes, .*: none"):
        open_volume(tmp_path / "b.h5")
    tags = json.dumps({"axes": [{"key": axis} for axis in "czyx"]})
    write(tmp_path / "c.h5", {"raw": np.stack([VOXELS] * 2)}, axistags=tags)
    with pytest.raises(ValueError, match="one channel and one time, got c: 2, z: 3"):
        open_volume(tmp_path / "c.h5")
    with h5py.File(tmp_path / "d.h5", "w") as made:
        made["names"] = np.array([[[b"a", b"b"]]])
    with pytest.raises(ValueError, match="a volume holds numbers"):
        open_volume(tmp_path / "d.h5")
