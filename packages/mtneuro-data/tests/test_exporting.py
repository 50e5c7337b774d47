from pathlib import Path

import numpy as np
import pytest
from mtneuro_data import TaskSpec, export_cubes, open_volume
from mtneuro_data.exporting import _smallest_type, is_begun


def test_every_slice_is_written_at_full_resolution_whatever_the_task_keeps(
    task: TaskSpec, volume: np.ndarray, tmp_path: Path
) -> None:
    sparse = task.replaced(z_step=3, downsample=2)
    files = export_cubes(sparse, "val", tmp_path / "out", ending=".npy")
    assert [path.name for path in files] == [
        "val-A-CTX-z10-image.npy",
        "val-A-CTX-z10-labels.npy",
        "val-A-STR-z10-image.npy",
        "val-A-STR-z10-labels.npy",
    ]
    np.testing.assert_array_equal(np.load(files[2]), volume[10:14, 100:132, 120:168])


def test_labels_are_the_volumes_own_in_the_smallest_type(task: TaskSpec, tmp_path: Path) -> None:
    raw = np.load(task.annotation or "")
    raw[10, 4, 8] = 300
    np.save(task.annotation or "", raw)
    first_labels = export_cubes(task, "val", tmp_path / "out", ending=".npy")[1]
    assert np.load(first_labels).dtype == np.uint16
    np.testing.assert_array_equal(np.load(first_labels), raw[10:14, 4:36, 8:56])


@pytest.mark.parametrize(
    ("written", "kept"),
    [((-1, 0), "int8"), ((-1, 200), "int16"), ((0, 1 << 60), "uint64"), ((3, 7), "uint8")],
)
@pytest.mark.parametrize("ending", [".npy", ".nii.gz"])
def test_negative_and_large_labels_stay_what_they_are(
    task: TaskSpec, tmp_path: Path, written: tuple[int, int], kept: str, ending: str
) -> None:
    raw = np.full((40, 150, 200), written[0], np.int64)
    raw[:, 4:9] = written[1]
    np.save(task.annotation or "", raw)
    first_labels = open_volume(export_cubes(task, "val", tmp_path / "out", ending=ending)[1])
    assert first_labels.dtype == kept
    assert np.unique(first_labels[:, :, :]).tolist() == sorted(written)


def test_a_task_without_labels_gives_images_with_its_voxel_size(task: TaskSpec, tmp_path: Path) -> None:
    size = (1.17, 1.17, 1.17)
    bare = task.replaced(kind="region", annotation=None, label_map={}, class_names=(), voxel_size_um=size)
    files = export_cubes(bare, ("val", "test"), tmp_path / "out", ending=".npz")
    assert len(files) == 4
    assert all(path.name.endswith("-image.npz") for path in files)
    assert open_volume(files[0]).voxel_size_um == size


def test_an_interrupted_export_goes_on_and_an_ended_one_does_not(task: TaskSpec, tmp_path: Path) -> None:
    folder = tmp_path / "out"

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_cubes(task, "val", folder, ending=".npy", progress=stop)
    assert is_begun(task, "val", folder, ending=".npy")
    assert not is_begun(task, "test", folder, ending=".npy")
    assert not is_begun(task.replaced(z_step=3), "val", folder, ending=".npy")
    whole, other = (folder / f"val-A-CTX-z10-{kind}.npy" for kind in ("image", "labels"))
    written = whole.stat().st_mtime_ns
    other.unlink()
    files = export_cubes(task, "val", folder, ending=".npy")
    assert whole.stat().st_mtime_ns == written
    assert not is_begun(task, "val", folder, ending=".npy")
    assert {path.name for path in folder.iterdir()} == {file.name for file in files}
    export_cubes(task, "val", folder, ending=".npy")
    assert whole.stat().st_mtime_ns > written


def test_an_unknown_format_is_refused_before_anything_is_written(task: TaskSpec, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ending must be one of \.npy, .*, got '\.png'"):
        export_cubes(task, "val", tmp_path / "out", ending=".png")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("ending", [".npy", ".npz", ".tif", ".zarr", ".nii.gz"])
def test_labels_below_zero_are_kept(task: TaskSpec, tmp_path: Path, ending: str) -> None:
    raw = np.load(task.annotation or "").astype(np.int32)
    raw[10, 4, 8:10] = -1, 127
    np.save(task.annotation or "", raw)
    written = open_volume(export_cubes(task, "val", tmp_path / "out", ending=ending)[1])
    assert written.dtype == np.int8
    np.testing.assert_array_equal(written[:, :, :], raw[10:14, 4:36, 8:56])


@pytest.mark.parametrize(
    ("lowest", "highest", "name"), [(-1, 127, "int8"), (-1, 128, "int16"), (-300, 5, "int16")]
)
def test_the_smallest_type_holds_both_ends(lowest: int, highest: int, name: str) -> None:
    assert _smallest_type(np.array([lowest, highest])) == name
