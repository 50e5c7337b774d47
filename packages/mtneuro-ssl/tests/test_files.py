import numpy as np
import pytest
import zarr
from mtneuro_ssl.embedding import save_embeddings
from mtneuro_ssl.reading import Volume, open_volume, read_images, read_labels

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 6, 8), dtype=np.uint8)


def test_npy_zarr_and_ome_zarr_give_the_same_images(tmp_path):
    np.save(tmp_path / "a.npy", IMAGES)
    zarr.create_array(tmp_path / "a.zarr", data=IMAGES)
    group = zarr.create_group(
        tmp_path / "ome.zarr", attributes={"ome": {"multiscales": [{"datasets": [{"path": "0"}]}]}}
    )
    group.create_array("0", data=IMAGES)
    for name in ("a.npy", "a.zarr", "ome.zarr"):
        found = read_images(tmp_path / name)
        np.testing.assert_array_equal(found.images, IMAGES)
        assert found.sample_id.tolist() == ["volume/z0", "volume/z1", "volume/z2"]


def test_subvolumes_are_taken_slice_by_slice(tmp_path):
    np.savez(
        tmp_path / "a.npz", images=IMAGES[:2, None].repeat(2, axis=1), region=np.array([3, 1]),
        sample_id=np.array(["A-CTX/z110", "odd"]), region_names=np.array(list("abcd")),
    )  # fmt: skip
    found = read_images(tmp_path / "a.npz")
    assert found.images.shape == (4, 6, 8)
    assert found.sample_id.tolist() == ["A-CTX/z110", "A-CTX/z111", "odd/z0", "odd/z1"]
    assert found.labels is not None
    assert found.labels.tolist() == [3, 3, 1, 1]
    assert found.class_names == ("a", "b", "c", "d")


def test_what_is_not_images_is_refused(tmp_path):
    np.save(tmp_path / "float.npy", IMAGES / 255)
    with pytest.raises(ValueError, match="must hold uint8 images of axes"):
        read_images(tmp_path / "float.npy")
    np.savez(tmp_path / "other.npz", pictures=IMAGES)
    with pytest.raises(ValueError, match="must have the key 'images', got pictures"):
        read_images(tmp_path / "other.npz")
    (tmp_path / "text.npy").write_text("hello")
    with pytest.raises(ValueError, match=r"must be \.npz, \.npy or Zarr"):
        read_images(tmp_path / "text.npy")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    np.savez(tmp_path / "objects.npz", images=np.array([{}], dtype=object))
    for name in ("objects.npy", "objects.npz"):
        for read in (read_images, open_volume):
            with pytest.raises(ValueError, match=rf"{name} must be .* plain arrays without Python objects"):
                read(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ValueError, match=r"must be a Zarr or hold pictures \(.png, .tif, .tiff\), got neither"
    ):
        read_images(tmp_path / "empty")
    zarr.create_group(tmp_path / "plain.zarr")
    with pytest.raises(ValueError, match="group without scales"):
        read_images(tmp_path / "plain.zarr")
    with pytest.raises(FileNotFoundError, match="no file or folder at"):
        read_images(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"cutout` writes a \.npy or \.zarr from a URI"):
        read_images("phantom://image")


def test_labels_are_one_integer_an_image(tmp_path):
    np.save(tmp_path / "a.npy", np.array([0, 2, 1], np.uint8))
    assert read_labels(tmp_path / "a.npy").dtype == np.int64
    np.save(tmp_path / "b.npy", IMAGES)
    with pytest.raises(ValueError, match="one integer an image"):
        read_labels(tmp_path / "b.npy")


def test_embeddings_need_an_id_a_row(tmp_path):
    with pytest.raises(ValueError, match="text of shape"):
        save_embeddings(tmp_path / "a.npz", np.zeros((2, 3), np.float32), sample_id=np.array(["a"]))
    assert not list(tmp_path.iterdir())


def test_pictures_are_slices(tmp_path):
    from PIL import Image

    (tmp_path / "stack").mkdir()
    pages = [Image.fromarray(image) for image in IMAGES]
    for z, page in enumerate(pages):
        page.save(tmp_path / "stack" / f"z{z}.png")
    first, *rest = (Image.fromarray(image) for image in IMAGES)
    first.save(tmp_path / "pages.tif", save_all=True, append_images=rest)
    for name in ("stack", "pages.tif"):
        np.testing.assert_array_equal(read_images(tmp_path / name).images, IMAGES)
    np.testing.assert_array_equal(read_images(tmp_path / "stack" / "z1.png").images, IMAGES[1:2])
    Image.fromarray(IMAGES[0, :2]).save(tmp_path / "stack" / "z9.png")
    with pytest.raises(ValueError, match="grey pictures of one size"):
        read_images(tmp_path / "stack")
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(ValueError, match="that can be read"):
        read_images(tmp_path / "broken.png")


def test_a_volume_is_opened_without_being_read(tmp_path):
    np.save(tmp_path / "a.npy", IMAGES)
    zarr.create_array(tmp_path / "a.zarr", data=IMAGES)
    np.savez(tmp_path / "a.npz", images=IMAGES)
    for name in ("a.npy", "a.zarr", "a.npz"):
        volume = open_volume(tmp_path / name)
        assert isinstance(volume, Volume)
        np.testing.assert_array_equal(np.asarray(volume[1, 2:4]), IMAGES[1, 2:4])
    assert isinstance(open_volume(tmp_path / "a.npy"), np.memmap)
    np.save(tmp_path / "flat.npy", IMAGES[0])
    with pytest.raises(ValueError, match="must be a volume of uint8 with axes"):
        open_volume(tmp_path / "flat.npy")
