from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mtneuro_data import TaskArrays, TaskSpec, four_corners, load
from mtneuro_data._shared import bounds


@pytest.mark.parametrize("depth", [1, 3])
def test_the_corners_of_an_image_follow_each_other(task: TaskSpec, depth: int) -> None:
    arrays = load(task.replaced(depth=depth), "test")
    corners = arrays.corners()
    assert len(corners) == 4 * len(arrays)
    names = [f"{arrays.sample_id[1]}/{corner}" for corner in ("tl", "tr", "bl", "br")]
    assert corners.sample_id[4:8].tolist() == names
    assert corners.region[4:8].tolist() == [arrays.region[1]] * 4
    one = arrays.images[1] if depth > 1 else arrays.images[1][None]
    expected = np.moveaxis(four_corners(one), 1, 0).reshape(corners.images[4:8].shape)
    np.testing.assert_array_equal(corners.images[4:8], expected)
    assert corners.masks is not None
    assert corners.masks.shape == corners.images.shape


def test_the_images_file_is_plain_and_complete(task: TaskSpec, tmp_path: Path) -> None:
    task = task.replaced(voxel_size_um=(1.17, 1.17, 1.17))
    arrays = load(task, "test")
    arrays.save(tmp_path / "new" / "test.npz")
    with np.load(tmp_path / "new" / "test.npz", allow_pickle=False) as file:
        assert int(file["format_version"]) == 1
        np.testing.assert_array_equal(file["images"], arrays.images)
        np.testing.assert_array_equal(file["masks"], arrays.masks)
        assert file["region"].dtype == np.int64
        assert file["sample_id"].dtype.kind == "U"
        assert file["voxel_size_um"].tolist() == [1.17, 1.17, 1.17]
        assert file["region_names"].tolist() == ["CTX", "STR"]
        assert file["class_names"].tolist() == ["background", "vessel", "cell"]
        assert str(file["fingerprint"]) == task.fingerprint
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["test.npz"]


def test_a_task_of_regions_saves_no_masks(task: TaskSpec, tmp_path: Path) -> None:
    replace(load(task, "test"), masks=None).save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as file:
        assert "masks" not in file.files


def test_another_suffix_and_a_file_as_folder_are_refused(task: TaskSpec, tmp_path: Path) -> None:
    arrays = load(task, "test")
    with pytest.raises(ValueError, match=r"must be named \.npz, got a\.npy"):
        arrays.save(tmp_path / "a.npy")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write .*file/a\.npz: "):
        arrays.save(tmp_path / "file" / "a.npz")


def test_rows_that_do_not_match_are_refused(unchecked: None, task: TaskSpec) -> None:
    arrays = load(task, "test")
    with pytest.raises(ValueError, match="18 images need as many regions and names, got 17 and 18"):
        replace(arrays, region=arrays.region[:-1])
    with pytest.raises(ValueError, match="masks must have the images' shape"):
        replace(arrays, masks=arrays.images[:, :2])
    with pytest.raises(ValueError, match=r"images must be \(n, y, x\)"):
        replace(arrays, images=arrays.images[0])


def test_what_is_saved_is_read_again_and_parts_join(task: TaskSpec, tmp_path: Path) -> None:
    arrays = load(task, "test")
    arrays.save(tmp_path / "test.npz")
    again = TaskArrays.read(tmp_path / "test.npz")
    both = TaskArrays.joined([arrays, again])
    assert len(both) == 2 * len(arrays)
    np.testing.assert_array_equal(both.images[len(arrays) :], arrays.images)
    assert both.masks is not None
    assert again.class_names == arrays.class_names
    assert both.sample_id.tolist() == arrays.sample_id.tolist() * 2


def test_instances_follow_their_images(unchecked: None, task: TaskSpec, tmp_path: Path) -> None:
    arrays = load(task, "test")
    ids = arrays.images.astype(np.uint64) << np.uint64(50)
    arrays = replace(arrays, instances=ids)
    arrays.save(tmp_path / "test.npz")
    both = TaskArrays.joined([arrays, TaskArrays.read(tmp_path / "test.npz")])
    for found in (both, both.corners()):
        assert found.instances is not None
        np.testing.assert_array_equal(found.instances, found.images.astype(np.uint64) << np.uint64(50))
    with pytest.raises(ValueError, match="instances must have the images' shape"):
        replace(arrays, instances=ids[:1])


def test_arrays_that_do_not_belong_together_are_not_joined(task: TaskSpec) -> None:
    arrays = load(task, "test")
    with pytest.raises(ValueError, match=r"must agree in names, .* intensities, masks and instances"):
        TaskArrays.joined([arrays, replace(arrays, masks=None)])
    with pytest.raises(ValueError, match=r"must agree in names, .* intensities, masks and instances"):
        TaskArrays.joined([arrays, replace(arrays, instances=arrays.images.astype(np.uint64))])
    with pytest.raises(ValueError, match="got none"):
        TaskArrays.joined([])


@pytest.mark.parametrize("content", [b"no zip", b"PK\x03\x04 cut short"])
def test_a_file_that_is_no_images_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "test.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not an images file of this version"):
        TaskArrays.read(path)


def test_an_images_file_of_another_version_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "test.npz", format_version=np.array(2))
    with pytest.raises(ValueError, match="format_version must be 1, got 2"):
        TaskArrays.read(tmp_path / "test.npz")


def test_an_images_file_that_unpacks_to_more_than_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = np.zeros((100, 1000, 1000), np.uint8)
    np.savez_compressed(tmp_path / "a.npz", format_version=1, voxel_size_um=np.ones(3), images=zeros)
    monkeypatch.setattr(bounds, "memory_at_hand", lambda: 10_000_000)
    with pytest.raises(ValueError, match="must fit into memory, got 100 MB of 10 MB at hand"):
        TaskArrays.read(tmp_path / "a.npz")
