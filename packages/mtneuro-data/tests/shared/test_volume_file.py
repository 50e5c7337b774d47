"""The thin reader of .npy, .npz, Zarr and OME-Zarr, and the plug-ins behind it."""

import io
import json
import math
from importlib.metadata import EntryPoint
from pathlib import Path
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import zarr
from mtneuro_data._shared import bounds, volume_file
from mtneuro_data._shared.ome import multiscales
from mtneuro_data._shared.terminal import Ranges
from mtneuro_data._shared.volume_file import BoundedArray, VolumeFile, open_volume_file, opened_archive
from numpy.lib import format as npy
from zarr.storage import ZipStore


@pytest.fixture
def voxels(rng) -> np.ndarray:
    return rng.integers(0, 256, (6, 10, 12), dtype=np.uint8)


class Strict:
    """A volume that takes three slices and nothing else, as a database's does."""

    voxel_size_um = (3.0, 2.0, 1.0)

    def __init__(self, array: np.ndarray) -> None:
        self._array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, key: tuple[slice, slice, slice]) -> np.ndarray:
        assert [each.step for each in key] == [None] * 3
        return self._array[key]


@pytest.fixture
def plugin(voxels, monkeypatch):
    """A plug-in that opens every URI as one volume."""
    module = type("module", (), {"opened": staticmethod(lambda uri: Strict(voxels))})
    point = EntryPoint("test", "test_plugin:opened", volume_file.ENTRY_POINT)
    monkeypatch.setattr(volume_file, "entry_points", lambda group: [point])
    monkeypatch.setitem(__import__("sys").modules, "test_plugin", module)


def test_an_npy_is_mapped_and_not_read(tmp_path, voxels):
    np.save(tmp_path / "a.npy", voxels)
    found = open_volume_file(tmp_path / "a.npy")
    assert isinstance(found.array, np.memmap)
    np.testing.assert_array_equal(found.loaded(), voxels)


def test_one_image_is_a_volume_of_one_slice(tmp_path, voxels):
    np.save(tmp_path / "a.npy", voxels[0])
    np.testing.assert_array_equal(open_volume_file(tmp_path / "a.npy").loaded(), voxels[:1])


def test_an_archive_keeps_what_it_says_of_its_images(tmp_path, voxels):
    np.savez(
        tmp_path / "a.npz", images=voxels, sample_id=[f"A/z{z}" for z in range(6)], region=np.arange(6),
        region_names=["CTX"], class_names=["background"], voxel_size_um=[3, 2, 1],
    )  # fmt: skip
    found = open_volume_file(tmp_path / "a.npz")
    assert found.sample_id == tuple(f"A/z{z}" for z in range(6))
    assert found.voxel_size_um == (3, 2, 1)
    assert found.region is not None
    assert (found.region.tolist(), found.region_names, found.class_names) == (
        [*range(6)],
        ("CTX",),
        ("background",),
    )


@pytest.mark.parametrize("name", ["images", "image", "arr_0"])
def test_the_only_array_of_an_archive_is_its_images(tmp_path, voxels, name):
    np.savez(tmp_path / "a.npz", **{name: voxels})
    np.testing.assert_array_equal(open_volume_file(tmp_path / "a.npz").loaded(), voxels)


def test_images_are_not_taken_for_masks(tmp_path, voxels):
    np.savez(tmp_path / "a.npz", images=voxels)
    with pytest.raises(ValueError, match="must hold the array 'masks', got images"):
        open_volume_file(tmp_path / "a.npz", key="masks")


def test_an_array_of_an_archive_can_be_named(tmp_path, voxels):
    np.savez(tmp_path / "a.npz", one=voxels, other=voxels + 1)
    np.testing.assert_array_equal(open_volume_file(f"{tmp_path}/a.npz#other").loaded(), voxels + 1)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"sample_id": ["a"]}, "sample_id of .* must have 6 entries"),
        ({"region": [0, 1]}, "region of .* must have 6 entries"),
        ({"region": np.zeros(6)}, "must be one integer per image"),
        ({"voxel_size_um": 2.0}, "three positive numbers"),
        ({"format_version": 2}, "format_version must be 1"),
    ],
)
def test_an_archive_that_contradicts_itself_is_refused(tmp_path, voxels, more, told):
    np.savez(tmp_path / "a.npz", images=voxels, **more)
    with pytest.raises(ValueError, match=told):
        open_volume_file(tmp_path / "a.npz")


def test_python_objects_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="not a readable"):
        open_volume_file(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_damaged_file_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ValueError, match="is not a readable"):
        open_volume_file(tmp_path / name)


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2, 2, 2), (0, 4, 4)])
def test_what_has_not_the_axes_of_a_volume_is_refused(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match=r"a volume (has the axes|must hold voxels)"):
        open_volume_file(tmp_path / "a.npy")


def test_a_zarr_is_read_where_it_is_sliced(tmp_path, voxels):
    zarr.create_array(tmp_path / "a.zarr", data=voxels, attributes={"voxel_size_um": [3, 2, 1]})
    found = open_volume_file(tmp_path / "a.zarr")
    assert isinstance(found.array, BoundedArray)
    assert found.voxel_size_um == (3, 2, 1)


def test_a_level_of_an_ome_zarr_can_be_named(tmp_path, voxels):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    group.create_array("0", data=voxels)
    group.create_array("1", data=voxels[:, ::2, ::2])
    group.attrs["ome"] = multiscales("image", [(1, 1, 1), (1, 2, 2)])
    found = open_volume_file(f"{tmp_path}/a.zarr#1")
    assert (found.array.shape, found.voxel_size_um) == ((6, 5, 6), (1, 2, 2))


@pytest.mark.parametrize("level", ["2", "-1", "x"])
def test_a_level_that_is_not_there_is_refused(tmp_path, voxels, level):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    group.create_array("0", data=voxels)
    group.attrs["ome"] = multiscales("image", [(1, 1, 1)])
    with pytest.raises(ValueError, match=r"must lie within \[0, 1\)"):
        open_volume_file(f"{tmp_path}/a.zarr#{level}")


@pytest.mark.parametrize("axes", [("x", "y", "z"), ("z", "x", "y"), ("y", "x", "c"), ("z", "c", "y")])
def test_axes_in_another_order_are_refused(tmp_path, voxels, axes):
    zarr.create_array(tmp_path / "a.zarr", data=voxels, dimension_names=axes)
    with pytest.raises(ValueError, match="axes end in z, y, x, got"):
        open_volume_file(tmp_path / "a.zarr")


def test_axes_that_xarray_names_are_asked_too(tmp_path, voxels):
    array = zarr.create_array(tmp_path / "a.zarr", data=voxels, zarr_format=2)
    array.attrs["_ARRAY_DIMENSIONS"] = ["x", "y", "z"]
    with pytest.raises(ValueError, match="got x, y, z"):
        open_volume_file(tmp_path / "a.zarr")


def test_a_channel_and_a_time_of_one_entry_are_left_out(tmp_path, voxels):
    zarr.create_array(tmp_path / "a.zarr", data=voxels[None, None], dimension_names=("t", "c", "z", "y", "x"))
    np.testing.assert_array_equal(open_volume_file(tmp_path / "a.zarr").loaded(), voxels)


def test_two_channels_are_refused(tmp_path, voxels):
    zarr.create_array(tmp_path / "a.zarr", data=np.stack([voxels] * 2), dimension_names=("c", "z", "y", "x"))
    with pytest.raises(ValueError, match="one channel and one time, got c: 2"):
        open_volume_file(tmp_path / "a.zarr")


def test_ranges_cut_the_volume_and_what_belongs_to_its_images(tmp_path, voxels):
    np.savez(tmp_path / "a.npz", images=voxels, sample_id=[*"abcdef"], region=np.arange(6))
    found = open_volume_file(tmp_path / "a.npz", ranges=Ranges(z="2:5", x="4:12"))
    np.testing.assert_array_equal(found.loaded(), voxels[2:5, :, 4:])
    assert found.sample_id == ("c", "d", "e")
    assert found.region is not None
    assert found.region.tolist() == [2, 3, 4]


@pytest.mark.usefixtures("plugin")
def test_any_other_place_is_opened_by_a_plugin(voxels):
    found = open_volume_file("bossdb://lab/scan/em")
    assert found.voxel_size_um == (3, 2, 1)
    np.testing.assert_array_equal(found.loaded(), voxels)


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    "key",
    [
        2,
        -1,
        (1, 2, 3),
        slice(1, 3),
        slice(4, 4),
        (slice(None), 2),
        (..., 3),
        (slice(None, None, -2), slice(3, 9), -1),
        [3, 1],
        np.array([0]),
    ],
)
def test_a_plugins_volume_is_sliced_as_an_array_is(voxels, key):
    array = open_volume_file("bossdb://lab/scan/em").array
    np.testing.assert_array_equal(array[key], voxels[key])


@pytest.mark.usefixtures("plugin")
def test_an_index_beyond_the_end_is_refused():
    with pytest.raises(IndexError, match="index 6 is out of bounds"):
        open_volume_file("bossdb://lab/scan/em").array[6]


def test_without_a_plugin_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(volume_file, "entry_points", lambda group: [])
    with pytest.raises(ValueError, match="pip install mtneuro-data"):
        open_volume_file("bossdb://lab/scan/em")


def test_a_path_where_nothing_is_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(volume_file, "entry_points", lambda group: [])
    with pytest.raises(FileNotFoundError, match="no file or folder at"):
        open_volume_file(tmp_path / "a.npy")


def test_a_key_that_an_archive_lacks_names_the_file(tmp_path):
    np.savez(tmp_path / "a.npz", one=np.zeros(3))
    with (
        pytest.raises(ValueError, match=r"a\.npz is not a readable"),
        opened_archive(tmp_path / "a.npz") as archive,
    ):
        archive["two"]


def test_the_axes_are_named_by_their_number(voxels):
    assert VolumeFile(name="a", array=voxels[None]).axes == ("n", "z", "y", "x")


CLAIM = (10_000, 1_000_000, 1_000)
"""The shape of 10 TB of bytes, more than the memory of any machine that runs this."""


def header(shape: tuple[int, ...], dtype: str = "|u1") -> bytes:
    """Return the first bytes of a .npy file that claims an array."""
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def test_an_npy_that_claims_more_than_it_holds_is_refused_with_both_sizes(tmp_path):
    (tmp_path / "a.npy").write_bytes(header(CLAIM) + bytes(100))
    with pytest.raises(ValueError, match=r"got a claim of 10,000,000,000,000 bytes of 100$"):
        open_volume_file(tmp_path / "a.npy")


def test_a_huge_npy_is_read_in_parts(tmp_path):
    # A file with a hole: 10 TB that take no room.
    with (tmp_path / "a.npy").open("wb") as file:
        file.write(header(CLAIM))
        try:
            file.truncate(file.tell() + math.prod(CLAIM))
        except OSError:
            pytest.skip("this disk's files may not be that large")
    found = open_volume_file(tmp_path / "a.npy")
    assert found.array[5000, 10:12, 3:5].tolist() == [[0, 0], [0, 0]]


def archive(path: Path, content: bytes, *, size: int | None = None, packing: int = ZIP_DEFLATED) -> None:
    """Write an archive with the one member ``images.npy``, whose size may be said to be another."""
    with ZipFile(path, "w", packing) as packed:
        packed.writestr("images.npy", content)
        info = packed.getinfo("images.npy")
        # The directory at the end is written from this.
        info.file_size = info.file_size if size is None else size


@pytest.mark.parametrize("small", [True, False])
def test_an_archive_whose_array_claims_more_than_it_holds_is_refused(tmp_path, small):
    archive(tmp_path / "a.npz", header((1000, 10, 10) if small else CLAIM) + bytes(100))
    with pytest.raises(ValueError, match=r"a\.npz is not a readable .* got a claim of [\d,]+ bytes of 100$"):
        open_volume_file(tmp_path / "a.npz")


def test_an_archive_that_unpacks_to_more_than_the_memory_is_refused_with_both_sizes(tmp_path):
    archive(tmp_path / "a.npz", header(CLAIM) + bytes(100), size=math.prod(CLAIM) + 128)
    told = r"^images of .*a\.npz must fit into memory, got 10,000\.0 GB of [\d,.]+ .B at hand; "
    with pytest.raises(ValueError, match=told):
        open_volume_file(tmp_path / "a.npz")


def test_a_bomb_of_zeros_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "memory_at_hand", lambda: 100 << 20)
    archive(tmp_path / "a.npz", header((200, 1024, 1024)) + bytes(200 << 20))
    assert (tmp_path / "a.npz").stat().st_size < 1 << 20
    with pytest.raises(ValueError, match="must fit into memory, got 210 MB of 105 MB at hand"):
        open_volume_file(tmp_path / "a.npz")


def test_an_archive_of_another_packing_is_refused(tmp_path):
    archive(tmp_path / "a.npz", header((1, 10, 10)) + bytes(100), packing=ZIP_BZIP2)
    with pytest.raises(ValueError, match="images must be stored or deflated"):
        open_volume_file(tmp_path / "a.npz")


def test_a_zarr_with_a_chunk_larger_than_memory_is_refused_when_it_is_read(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", shape=CLAIM, chunks=CLAIM, dtype="u1")
    found = open_volume_file(tmp_path / "a.zarr")
    told = r"a chunk of .*a\.zarr must fit into memory, got 10,000\.0 GB of .* smaller chunks"
    with pytest.raises(ValueError, match=told):
        found.array[0, 0:2, 0:2]


def test_a_zarr_larger_than_memory_is_read_in_parts_but_not_whole(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", shape=CLAIM, chunks=(1, 64, 64), dtype="u1")
    found = open_volume_file(tmp_path / "a.zarr")
    assert found.array[9_999, -2:, [1, 7]].tolist() == [[0, 0], [0, 0]]
    assert found.array[::5000, 0, ..., 0].tolist() == [0, 0]
    for read in (found.loaded, lambda: found.array[5:], lambda: np.asarray(found.array)):
        with pytest.raises(ValueError, match="must fit into memory, got"):
            read()


@pytest.mark.usefixtures("plugin")
def test_a_plugins_volume_is_measured_too(monkeypatch):
    monkeypatch.setattr(bounds, "_ALWAYS", 0)
    monkeypatch.setattr(bounds, "memory_at_hand", lambda: 100)
    found = open_volume_file("bossdb://lab/scan/em")
    assert found.array[0, 0].shape == (12,)
    for read in (found.loaded, lambda: found.array[0:2]):
        with pytest.raises(ValueError, match="must fit into memory, got"):
            read()


@pytest.mark.parametrize("part", ["compressor", "filters"])
def test_a_zarr_that_would_unpickle_is_refused(tmp_path, voxels, part):
    zarr.create_array(tmp_path / "a.zarr", data=voxels, zarr_format=2, compressors=None)
    path = tmp_path / "a.zarr" / ".zarray"
    pickled = {"id": "pickle", "protocol": 4}
    about = json.loads(path.read_text()) | {part: pickled if part == "compressor" else [pickled]}
    path.write_text(json.dumps(about))
    with pytest.raises(ValueError, match="is not a readable Zarr store"):
        open_volume_file(tmp_path / "a.zarr")


def test_a_text_that_is_named_as_an_archive_is_told_as_none(tmp_path):
    (tmp_path / "a.npz").write_text("cube,z\n")
    with pytest.raises(ValueError, match=r"a\.npz is not a readable .npz file: it is no zip archive$"):
        open_volume_file(tmp_path / "a.npz")


@pytest.mark.parametrize("shape", [(4, 1, 16, 16), (4, 3, 16, 16), (4, 16, 16, 3), (16, 16, 3)])
def test_channels_are_asked_about_in_every_file_that_does_not_name_its_axes(tmp_path, shape):
    images = np.zeros(shape, np.uint8)
    np.save(tmp_path / "a.npy", images)
    np.savez(tmp_path / "a.npz", images=images)
    zarr.create_array(str(tmp_path / "a.zarr"), data=images)
    for name in ("a.npy", "a.npz", "a.zarr"):
        with pytest.raises(ValueError, match=rf"{name}.* looks like \(.*channel.*take one channel, array\["):
            open_volume_file(tmp_path / name)


def test_subvolumes_of_three_slices_that_say_so_are_read(tmp_path):
    images = np.zeros((4, 3, 16, 16), np.uint8)
    names = ["n", "z", "y", "x"]
    zarr.create_array(str(tmp_path / "a.zarr"), data=images, dimension_names=names)
    np.savez(tmp_path / "a.npz", images=images, sample_id=[f"A/z{3 * at}" for at in range(4)])
    assert open_volume_file(tmp_path / "a.zarr").array.shape == images.shape
    assert open_volume_file(tmp_path / "a.npz").array.shape == images.shape


@pytest.mark.parametrize("name", ["a.zarr.zip", "A.ZARR.ZIP"])
def test_a_zarr_in_a_zip_is_read_as_it_is(tmp_path, name):
    voxels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    store = ZipStore(tmp_path / name, mode="w")
    zarr.create_array(store, data=voxels)
    store.close()
    assert np.array_equal(open_volume_file(tmp_path / name).loaded(), voxels)
    (tmp_path / "b.zarr.zip").write_bytes(b"no zip")
    with pytest.raises(ValueError, match="is not a readable Zarr store"):
        open_volume_file(tmp_path / "b.zarr.zip")
