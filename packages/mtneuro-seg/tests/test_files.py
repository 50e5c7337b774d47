"""Images with their labels in, and labels out."""

import numpy as np
import pytest
import zarr
from mtneuro_seg._shared.terminal import Ranges
from mtneuro_seg._shared.volume_file import open_volume_file
from mtneuro_seg.files import check_zarr_path, read_labelled_images, save_labels

NAMES = ("background", "vessels")


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2, (4, 6, 8)).astype(np.uint8)


@pytest.mark.parametrize("name", ["labels.npy", "labels.npz", "labels.zarr"])
def test_labels_come_back_as_they_were_written(labels, tmp_path, name):
    for _ in range(2):
        save_labels(tmp_path / name, labels, class_names=NAMES, voxel_size_um=(1.0, 2.0, 2.0))
    found = open_volume_file(tmp_path / name, key="masks")
    np.testing.assert_array_equal(found.loaded(), labels)
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
    assert open_volume_file(tmp_path / name, key="masks").sample_id == ids


def test_labels_of_images_come_from_their_file_or_another(labels, tmp_path):
    images, region = labels * 100, np.array([0, 0, 1, 1])
    np.savez(tmp_path / "both.npz", images=images, masks=labels, class_names=np.array(NAMES), region=region)
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", labels)
    one = read_labelled_images(str(tmp_path / "both.npz"))
    other = read_labelled_images(str(tmp_path / "images.npy"), str(tmp_path / "labels.npy"))
    for found in (one, other):
        np.testing.assert_array_equal(found.images, images)
        np.testing.assert_array_equal(found.masks, labels)
    assert (one.class_names, other.class_names) == (NAMES, None)
    np.testing.assert_array_equal(one.region, region)


def test_ranges_cut_images_and_labels_alike(labels, tmp_path):
    np.savez(tmp_path / "both.npz", images=labels * 100, masks=labels, region=np.arange(4))
    found = read_labelled_images(str(tmp_path / "both.npz"), ranges=Ranges(z="1:3", x="2:8"))
    np.testing.assert_array_equal(found.masks, labels[1:3, :, 2:8])
    np.testing.assert_array_equal(found.images, labels[1:3, :, 2:8] * 100)
    np.testing.assert_array_equal(found.region, [1, 2])


def test_images_without_labels_or_with_others_are_refused(labels, tmp_path):
    np.savez(tmp_path / "images.npz", images=labels)
    np.save(tmp_path / "images.npy", labels)
    np.save(tmp_path / "labels.npy", labels[1:])
    with pytest.raises(ValueError, match="must hold the array 'masks', got images"):
        read_labelled_images(str(tmp_path / "images.npz"))
    with pytest.raises(ValueError, match="LABELS must be given"):
        read_labelled_images(str(tmp_path / "images.npy"))
    with pytest.raises(ValueError, match=r"the images' shape \(4, 6, 8\), got \(3, 6, 8\)"):
        read_labelled_images(str(tmp_path / "images.npy"), str(tmp_path / "labels.npy"))


def test_a_pickle_is_not_opened(tmp_path):
    objects = np.array([{}], dtype=object)
    np.save(tmp_path / "objects.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "objects.npz", images=objects, masks=objects)
    np.savez(tmp_path / "region.npz", images=np.zeros((1, 4, 4)), masks=np.zeros((1, 4, 4)), region=objects)
    for name in ("objects.npy", "objects.npz", "region.npz"):
        with pytest.raises(ValueError, match=f"{name} is not a readable"):
            read_labelled_images(str(tmp_path / name), str(tmp_path / name))


def test_labels_are_not_written_over_something_else(labels, tmp_path):
    with pytest.raises(ValueError, match=r"must be written to a \.npy, \.npz or \.zarr"):
        save_labels(tmp_path / "labels.tiff", labels, class_names=NAMES)
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "notes").write_text("mine")
    with pytest.raises(FileExistsError):
        save_labels(tmp_path / "mine.zarr", labels, class_names=NAMES)


def test_labels_that_no_prediction_wrote_are_not_replaced(labels, tmp_path):
    zarr.create_array(tmp_path / "labels.zarr", data=labels)
    with pytest.raises(FileExistsError, match=r"must be new or an earlier prediction, got something else"):
        check_zarr_path(tmp_path / "labels.zarr")


def test_an_npz_of_images_is_not_replaced_by_labels(labels, tmp_path):
    np.savez(tmp_path / "both.npz", images=labels, masks=labels)
    with pytest.raises(FileExistsError, match=r"earlier prediction, got an \.npz with images"):
        save_labels(tmp_path / "both.npz", labels, class_names=NAMES)


@pytest.mark.parametrize("about", ["[]", "{", '{"attributes": 1}', "[" * 100_000])
def test_a_zarr_of_broken_metadata_is_not_replaced(tmp_path, about):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text(about)
    with pytest.raises(FileExistsError):
        check_zarr_path(tmp_path / "a.zarr")


def test_labels_of_other_slices_than_the_images_are_refused(tmp_path):
    stack = np.zeros((2, 4, 4), np.uint8)
    np.savez(tmp_path / "images.npz", images=stack, sample_id=["A/z0", "A/z1"])
    np.savez(tmp_path / "labels.npz", masks=stack, sample_id=["A/z1", "A/z0"])
    with pytest.raises(ValueError, match="the images' slices in the same order, got those of A/z1 for A/z0"):
        read_labelled_images(str(tmp_path / "images.npz"), str(tmp_path / "labels.npz"))
    np.save(tmp_path / "bare.npy", stack)
    found = read_labelled_images(str(tmp_path / "bare.npy"), str(tmp_path / "labels.npz"))
    assert found.sample_id == ("A/z1", "A/z0")
