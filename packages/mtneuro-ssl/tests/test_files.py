from typing import Any

import numpy as np
import pytest
import zarr
from mtneuro_ssl import save_embeddings
from mtneuro_ssl._shared.ome import multiscales
from mtneuro_ssl._shared.terminal import Ranges
from mtneuro_ssl.files import absolute, open_images, read_labels
from mtneuro_ssl.types import Volume

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 6, 8), dtype=np.uint8)


def test_npy_zarr_and_ome_zarr_give_the_same_images(tmp_path):
    np.save(tmp_path / "a.npy", IMAGES)
    zarr.create_array(tmp_path / "a.zarr", data=IMAGES)
    group = zarr.create_group(
        tmp_path / "ome.zarr", attributes={"ome": multiscales("images", [(1.0, 1.0, 1.0)])}
    )
    group.create_array("0", data=IMAGES)
    for name in ("a.npy", "a.zarr", "ome.zarr"):
        found = open_images(tmp_path / name)
        assert isinstance(found.images, Volume)
        np.testing.assert_array_equal(found.images[:], IMAGES)
        np.testing.assert_array_equal(found.images[1, 2:4], IMAGES[1, 2:4])
        assert found.sample_id.tolist() == ["volume/z0", "volume/z1", "volume/z2"]


def test_a_file_of_embeddings_is_refused_as_one(tmp_path):
    save_embeddings(tmp_path / "e.npz", np.zeros((4, 6), np.float32), sample_id=np.array(list("abcd")))
    with pytest.raises(ValueError, match="it holds embeddings and no images; give the images"):
        open_images(tmp_path / "e.npz")


def test_a_file_is_opened_without_being_read(tmp_path):
    np.save(tmp_path / "a.npy", IMAGES)
    assert isinstance(open_images(tmp_path / "a.npy").images, np.memmap)


def test_slices_of_subvolumes_without_ids_are_neighbours_within_their_own_only(tmp_path):
    np.save(tmp_path / "cut.npy", np.zeros((2, 2, 4, 4), np.uint8))
    found = open_images(tmp_path / "cut.npy")
    assert found.sample_id.tolist() == [f"subvolume-{n}/z{z}" for n in (0, 1) for z in (0, 1)]


def test_a_file_says_whether_it_names_its_slices(tmp_path):
    stack = np.zeros((2, 4, 4), np.uint8)
    np.savez(tmp_path / "bare.npz", images=stack)
    np.savez(tmp_path / "named.npz", images=stack, sample_id=["A/z0", "A/z1"])
    assert [open_images(tmp_path / f"{name}.npz").named for name in ("bare", "named")] == [False, True]


def test_a_part_of_a_volume_keeps_the_names_of_its_slices(tmp_path):
    np.save(tmp_path / "a.npy", IMAGES)
    found = open_images(tmp_path / "a.npy", ranges=Ranges(z="1:3", x="2:6"))
    np.testing.assert_array_equal(found.images[:], IMAGES[1:3, :, 2:6])
    assert found.sample_id.tolist() == ["volume/z1", "volume/z2"]
    assert found.lower == (1, 0, 2)


def test_subvolumes_are_taken_slice_by_slice(tmp_path):
    np.savez(
        tmp_path / "a.npz", images=IMAGES[:2, None].repeat(2, axis=1), region=np.array([3, 1]),
        sample_id=np.array(["A-CTX/z110", "odd"]), region_names=np.array(list("abcd")),
    )  # fmt: skip
    found = open_images(tmp_path / "a.npz")
    assert found.images.shape == (4, 6, 8)
    assert found.sample_id.tolist() == ["A-CTX/z110", "A-CTX/z111", "odd/z0", "odd/z1"]
    assert found.labels is not None
    assert found.labels.tolist() == [3, 3, 1, 1]
    assert found.class_names == ("a", "b", "c", "d")


def test_a_depth_keeps_subvolumes_whole(tmp_path):
    deep = IMAGES[:2, None].repeat(2, axis=1)
    ids = np.array(["A-CTX/z110", "B-STR/z8"])
    np.savez(tmp_path / "a.npz", images=deep, region=np.array([3, 1]), sample_id=ids)
    found = open_images(tmp_path / "a.npz", depth=2)
    np.testing.assert_array_equal(found.images[:], deep)
    assert found.sample_id.tolist() == ids.tolist()
    assert found.labels is not None
    assert found.labels.tolist() == [3, 1]
    with pytest.raises(ValueError, match="its subvolumes must have depth=8 slices, got 2: set depth=2"):
        open_images(tmp_path / "a.npz", depth=8)


def test_a_depth_cuts_a_volume_into_subvolumes_of_its_slices(tmp_path, caplog):
    volume = np.random.default_rng(1).integers(0, 256, (7, 6, 8), dtype=np.uint8)
    np.save(tmp_path / "a.npy", volume)
    found = open_images(tmp_path / "a.npy", depth=3, ranges=Ranges(z="1:7", x="2:6"))
    np.testing.assert_array_equal(found.images[:], volume[1:, :, 2:6].reshape(2, 3, 6, 4))
    assert found.sample_id.tolist() == ["volume/z1", "volume/z4"]
    assert not caplog.records
    grey = open_images(tmp_path / "a.npy", depth=3, intensity=(0, 510))
    assert "1 of 7 slices of" in caplog.text
    assert "are left over from subvolumes of 3" in caplog.text
    np.testing.assert_allclose(grey.images[:], volume[:6].reshape(2, 3, 6, 8) / 2, atol=1)


def test_a_subvolume_has_the_label_of_most_of_its_slices(tmp_path):
    ids = np.array([f"A/z{z}" for z in range(3)] + [f"B/z{z}" for z in range(3)])
    stack = np.zeros((6, 4, 4), np.uint8)
    np.savez(tmp_path / "named.npz", images=stack, region=np.array([2, 0, 2, 1, 1, 1]), sample_id=ids)
    found = open_images(tmp_path / "named.npz", depth=3)
    assert found.labels is not None
    assert found.labels.tolist() == [2, 1]
    assert found.sample_id.tolist() == ["A/z0", "B/z0"]
    np.savez(tmp_path / "bare.npz", images=stack, region=np.array([2, 0, 2, 1, 1, 1]))
    with pytest.raises(ValueError, match="depth needs the ids of slices"):
        open_images(tmp_path / "bare.npz", depth=3)


def test_images_of_any_type_are_opened_and_a_window_makes_them_grey(tmp_path):
    np.save(tmp_path / "float.npy", IMAGES / 255)
    assert open_images(tmp_path / "float.npy").images.dtype == np.float64
    grey = open_images(tmp_path / "float.npy", intensity=(0, 1)).images
    assert grey.dtype == np.uint8
    np.testing.assert_array_equal(grey[:], IMAGES)


class Stack:
    """What a plug-in opens: a source that takes one slice an axis."""

    shape, dtype, voxel_size_um = IMAGES.shape, IMAGES.dtype, (1.0, 1.0, 1.0)

    def __getitem__(self, box: tuple[slice, slice, slice]) -> np.ndarray:
        assert all(isinstance(part, slice) for part in box)
        return IMAGES[box]


class Plugin:
    """An entry point, as mtneuro-data registers one."""

    def load(self) -> Any:
        return lambda uri: {"bossdb://lab/scan/em": Stack(), "stack": Stack()}[uri]


def test_other_formats_and_databases_come_through_an_entry_point(monkeypatch):
    monkeypatch.setattr("mtneuro_ssl._shared.volume_file.entry_points", lambda group: [Plugin()])
    for uri in ("bossdb://lab/scan/em", "stack"):
        found = open_images(uri, ranges=Ranges(z="1:3"))
        np.testing.assert_array_equal(found.images[1], IMAGES[2])
        np.testing.assert_array_equal(found.images[:], IMAGES[1:3])
        assert found.sample_id.tolist() == ["volume/z1", "volume/z2"]


def test_without_one_a_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("mtneuro_ssl._shared.volume_file.entry_points", lambda group: [])
    (tmp_path / "slices").mkdir()
    for uri in ("bossdb://lab/scan/em", tmp_path / "slices"):
        with pytest.raises(ValueError, match="pip install mtneuro-data"):
            open_images(uri)
    with pytest.raises(FileNotFoundError, match="no file or folder at"):
        open_images(tmp_path / "nowhere")


def test_a_path_means_the_same_in_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("a.npz#images") == str(tmp_path / "a.npz#images")


def test_labels_are_one_integer_an_image(tmp_path):
    np.save(tmp_path / "a.npy", np.array([0, 2, 1], np.uint8))
    np.savez(tmp_path / "a.npz", region=np.array([0, 2, 1]), images=IMAGES)
    zarr.create_array(tmp_path / "a.zarr", data=np.array([0, 2, 1], np.int32))
    for name in ("a.npy", "a.npz", "a.zarr"):
        labels = read_labels(tmp_path / name)
        assert labels.dtype == np.int64
        assert labels.tolist() == [0, 2, 1]


def test_what_is_not_labels_is_refused(tmp_path):
    np.save(tmp_path / "b.npy", IMAGES)
    with pytest.raises(ValueError, match="an integer per image"):
        read_labels(tmp_path / "b.npy")
    np.savez(tmp_path / "b.npz", images=IMAGES)
    with pytest.raises(ValueError, match="it must hold the array 'region', got images"):
        read_labels(tmp_path / "b.npz")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="of plain numbers"):
        read_labels(tmp_path / "objects.npy")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_labels(tmp_path / "nowhere.npy")


def test_embeddings_need_an_id_a_row(tmp_path):
    with pytest.raises(ValueError, match="text of shape"):
        save_embeddings(tmp_path / "a.npz", np.zeros((2, 3), np.float32), sample_id=np.array(["a"]))
    assert not list(tmp_path.iterdir())


def test_embeddings_come_back_as_they_were_written(tmp_path):
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    save_embeddings(tmp_path / "new" / "a.npz", rows, sample_id=np.array(["a", "b"]))
    with np.load(tmp_path / "new" / "a.npz", allow_pickle=False) as found:
        np.testing.assert_array_equal(found["embeddings"], rows)
        assert found["sample_id"].tolist() == ["a", "b"]
        assert found["format_version"] == 1
