"""Files in and out of the command line."""

from pathlib import Path

import numpy as np
import pytest
import zarr
from mtneuro_seg.volumes import load_region, load_volume, save_labels

NAMES = ("background", "vessels")


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2, (4, 6, 8)).astype(np.uint8)


@pytest.mark.parametrize("name", ["labels.npy", "labels.npz", "labels.zarr"])
def test_labels_come_back_as_they_were_written(labels, tmp_path, name):
    for _ in range(2):
        save_labels(tmp_path / name, labels, class_names=NAMES, voxel_size_um=(1.0, 2.0, 2.0))
    found = load_volume(tmp_path / name, key="masks")
    np.testing.assert_array_equal(found.array, labels)
    if not name.endswith("npy"):
        assert found.voxel_size_um == (1.0, 2.0, 2.0)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_zarr_of_labels_says_its_axes(labels, tmp_path):
    save_labels(tmp_path / "labels.zarr", labels, class_names=NAMES)
    array = zarr.open_array(tmp_path / "labels.zarr", mode="r")
    assert array.metadata.dimension_names == ("z", "y", "x")  # pyright: ignore[reportAttributeAccessIssue] (v3 only)
    assert array.attrs["class_names"] == list(NAMES)


@pytest.mark.parametrize("name", ["labels.npz", "labels.zarr"])
def test_ids_of_images_are_kept(labels, tmp_path, name):
    ids = ("A-CTX/z110", "A-CTX/z111", "A-CTX/z112", "A-CTX/z113")
    save_labels(tmp_path / name, labels, class_names=NAMES, sample_id=ids)
    assert load_volume(tmp_path / name, key="masks").sample_id == ids


def test_of_an_ome_zarr_group_level_0_is_read(labels, tmp_path):
    group = zarr.create_group(tmp_path / "ome.zarr")
    group.create_array("full", data=labels)
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"datasets": [{"path": "full"}]}]}
    np.testing.assert_array_equal(load_volume(tmp_path / "ome.zarr").array, labels)


def ome_group(path: Path, labels: np.ndarray, axes: str, unit: str | None) -> Path:
    group = zarr.create_group(path)
    group.create_array("0", data=labels)
    named = [{"name": axis, "type": "space"} | ({"unit": unit} if unit else {}) for axis in axes]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [4, 2, 1]}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": named, "datasets": [level]}]}
    return path


@pytest.mark.parametrize(
    ("unit", "size"), [("micrometer", (4, 2, 1)), ("nanometer", (0.004, 0.002, 0.001)), (None, None)]
)
def test_the_voxel_size_of_an_ome_zarr_is_read_in_its_unit(labels, tmp_path, unit, size):
    found = load_volume(ome_group(tmp_path / "a.zarr", labels, "zyx", unit)).voxel_size_um
    assert found == (size and pytest.approx(size))


def test_a_volume_whose_axes_are_in_another_order_is_refused(labels, tmp_path):
    with pytest.raises(ValueError, match="axes must be in the order z, y, x, got x, y, z"):
        load_volume(ome_group(tmp_path / "a.zarr", labels, "xyz", "micrometer"))
    zarr.create_array(tmp_path / "b.zarr", data=labels, dimension_names=("y", "x", "z"))
    with pytest.raises(ValueError, match="axes must be in the order z, y, x, got y, x, z"):
        load_volume(tmp_path / "b.zarr")


def test_another_group_is_refused(tmp_path):
    zarr.create_group(tmp_path / "other.zarr")
    with pytest.raises(ValueError, match="OME-Zarr group, got another group"):
        load_volume(tmp_path / "other.zarr")


def test_files_that_are_not_what_their_names_say_are_refused(tmp_path, labels):
    with pytest.raises(FileNotFoundError, match="must exist"):
        load_volume(tmp_path / "nowhere.npy")
    with pytest.raises(FileNotFoundError, match=r"cutout` writes a \.npy or \.zarr from a URI"):
        load_volume(Path("phantom://image"))
    for name in ("a.npy", "a.npz"):
        (tmp_path / name).write_text("text")
        with pytest.raises(ValueError, match=r"a\.np"):
            load_volume(tmp_path / name)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="is not a file that can be read here"):
        load_volume(tmp_path / "folder")
    (tmp_path / "a.tiff").write_text("text")
    with pytest.raises(ValueError, match=r"must be a \.npz, a \.npy or a Zarr folder"):
        load_volume(tmp_path / "a.tiff")
    np.savez(tmp_path / "b.npz", format_version=1, images=labels)
    with pytest.raises(ValueError, match="must hold the array 'masks', got format_version, images"):
        load_volume(tmp_path / "b.npz", key="masks")
    np.savez(tmp_path / "c.npz", format_version=2, images=labels)
    with pytest.raises(ValueError, match="format_version must be 1, got 2"):
        load_volume(tmp_path / "c.npz")


def test_a_pickle_is_not_opened(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "objects.npz", images=np.array([{}], dtype=object))
    for name in ("objects.npy", "objects.npz"):
        with pytest.raises(ValueError, match=rf"{name}' is not .* \(plain arrays, no Python objects\)"):
            load_volume(tmp_path / name)
    np.savez(tmp_path / "region.npz", region=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"'region' in .*region.npz' must be a plain array"):
        load_region(tmp_path / "region.npz")


def test_labels_are_not_written_over_something_else(labels, tmp_path):
    with pytest.raises(ValueError, match=r"must be written to a \.npy, \.npz or \.zarr"):
        save_labels(tmp_path / "labels.tiff", labels, class_names=NAMES)
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "notes").write_text("mine")
    with pytest.raises(FileExistsError):
        save_labels(tmp_path / "mine.zarr", labels, class_names=NAMES)
