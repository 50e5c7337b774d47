import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from mtneuro_data import Cache, downsampled_images, open_volume, save_volume
from mtneuro_data.sources.base import Source
from mtneuro_data.volume import Volume
from PIL import Image


def stored(folder: Path, kind: str, voxels: np.ndarray) -> str:
    """Write voxels as one kind of file, and return its URI."""
    path = folder / f"volume.{kind}"
    if kind == "npy":
        np.save(path, voxels)
    elif kind == "npz":
        np.savez(path, image=voxels, label=voxels + 1)
    elif kind == "tif":
        tifffile.imwrite(path, voxels)
    elif kind == "tiff":
        tifffile.imwrite(path, voxels, compression="zlib")
    elif kind in ("v2.zarr", "v3.zarr"):
        zarr.create_array(
            str(path), data=voxels, chunks=(8, 32, 32), zarr_format=2 if kind == "v2.zarr" else 3
        )
    elif kind == "ome.zarr":
        group = zarr.open_group(str(path), mode="w")
        group.create_array("s0", data=voxels)
        axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
        scale = [{"type": "scale", "scale": [3000.0, 2000.0, 1000.0]}]
        levels = [{"path": "s0", "coordinateTransformations": scale}]
        group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}
    else:
        path.mkdir()
        for z, plane in enumerate(voxels):
            Image.fromarray(plane).save(path / f"z{z}.png")
        return str(path / "z*.png") if kind == "glob" else str(path)
    return str(path)


KINDS = ["npy", "npz", "tif", "tiff", "v2.zarr", "v3.zarr", "ome.zarr", "folder", "glob"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same_voxels(tmp_path: Path, volume: np.ndarray, kind: str) -> None:
    opened = open_volume(stored(tmp_path, kind, volume))
    assert isinstance(opened.source, Source)
    assert (opened.shape, opened.dtype) == (volume.shape, volume.dtype)
    np.testing.assert_array_equal(opened[9:21, 3:40, 100:150], volume[9:21, 3:40, 100:150])
    np.testing.assert_array_equal(opened[:, :, :], volume)


def test_voxel_size_is_read_where_the_store_says_it(tmp_path: Path, volume: np.ndarray) -> None:
    assert open_volume(stored(tmp_path, "ome.zarr", volume)).voxel_size_um == (3.0, 2.0, 1.0)
    assert open_volume(stored(tmp_path, "npy", volume)).voxel_size_um is None
    assert open_volume("phantom://image").voxel_size_um == (1.17, 1.17, 1.17)


def test_a_key_names_an_array_of_an_npz(tmp_path: Path, volume: np.ndarray) -> None:
    path = stored(tmp_path, "npz", volume)
    np.testing.assert_array_equal(open_volume(path + "#label")[0:1, 0:2, 0:2], volume[0:1, 0:2, 0:2] + 1)
    with pytest.raises(ValueError, match="it has no array 'lable', only image, label"):
        open_volume(path + "#lable")


def test_one_image_is_one_slice(tmp_path: Path, volume: np.ndarray) -> None:
    Image.fromarray(volume[3]).save(tmp_path / "slice.png")
    np.testing.assert_array_equal(open_volume(tmp_path / "slice.png")[:, :, :], volume[3:4])


@pytest.fixture(scope="module")
def chunked(tmp_path_factory: pytest.TempPathFactory) -> Volume:
    voxels = np.random.default_rng(1).integers(0, 256, (12, 40, 50), dtype=np.uint8)
    path = tmp_path_factory.mktemp("chunked") / "a.zarr"
    zarr.create_array(str(path), data=voxels, chunks=(5, 16, 16))
    return open_volume(path)


@given(st.data())
@settings(deadline=None, max_examples=50)
def test_any_partition_joins_to_the_whole(chunked: Volume, data: st.DataObject) -> None:
    cut = data.draw(st.tuples(st.integers(1, 11), st.integers(1, 39), st.integers(1, 49)))
    parts = [[slice(0, at), slice(at, size)] for at, size in zip(cut, chunked.shape, strict=True)]
    joined = np.block([[[chunked[z, y, x] for x in parts[2]] for y in parts[1]] for z in parts[0]])
    np.testing.assert_array_equal(joined, chunked[:, :, :])


@pytest.mark.parametrize(
    "key",
    [
        0,
        slice(0, 1),
        (slice(0, 1), slice(0, 1)),
        (0, slice(0, 1), slice(0, 1)),
        (slice(0, 2, 2), slice(0, 1), slice(0, 1)),
        (slice(-1, None), slice(0, 1), slice(0, 1)),
        (slice(0, 1), slice(5, 5), slice(0, 1)),
        (slice(0, 1), slice(0, 151), slice(0, 1)),
        (slice(0, 1.5), slice(0, 1), slice(0, 1)),
        ...,
    ],
)
def test_loose_indexing_is_refused(tmp_path: Path, volume: np.ndarray, key: Any) -> None:
    with pytest.raises(IndexError):
        open_volume(stored(tmp_path, "npy", volume))[key]


def test_what_is_read_is_a_copy(tmp_path: Path, volume: np.ndarray) -> None:
    opened = open_volume(stored(tmp_path, "npy", volume))
    box = opened[0:1, 0:2, 0:2]
    box[:] = 0
    np.testing.assert_array_equal(opened[0:1, 0:2, 0:2], volume[0:1, 0:2, 0:2])


def test_a_volume_survives_pickling(tmp_path: Path, volume: np.ndarray) -> None:
    opened = open_volume(stored(tmp_path, "v3.zarr", volume))
    copy: Volume = pickle.loads(pickle.dumps(opened))
    np.testing.assert_array_equal(copy[0:2, 0:2, 0:2], volume[0:2, 0:2, 0:2])


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.tif", "a.png", "a.zarr/zarr.json", "a.zarr/.zarray"])
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"this is not an array")
    with pytest.raises(ValueError, match="is not a readable"):
        open_volume(tmp_path / name.partition("/")[0])


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    objects = np.array([{"a": 1}], dtype=object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "a.npz", image=objects)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(ValueError, match="is not a readable"):
            open_volume(tmp_path / name)


def test_a_zarr_whose_chunks_or_extent_are_a_lie_is_refused_when_read(
    tmp_path: Path, volume: np.ndarray
) -> None:
    path = Path(stored(tmp_path, "v3.zarr", volume))
    about = json.loads((path / "zarr.json").read_text())
    grid = about["chunk_grid"]["configuration"]
    for changes, box in (
        (
            {"chunk_grid": {"name": "regular", "configuration": grid | {"chunk_shape": [8, 32, 64]}}},
            np.s_[0:1, 0:1, 0:1],
        ),
        ({"shape": [10**6, 10**6, 10**6]}, np.s_[:, :, :]),
    ):
        (path / "zarr.json").write_text(json.dumps(about | changes))
        with pytest.raises(ValueError, match=r"volume.v3.zarr: the box .* cannot be read: "):
            open_volume(path)[box]


def test_an_array_file_longer_than_it_is_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((10, 20, 30), np.uint8))
    content = (tmp_path / "a.npy").read_bytes().replace(b"(10, 20, 30), }    ", b"(10000, 20, 30), } ")
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"is not a readable \.npy file"):
        open_volume(tmp_path / "a.npy")


def test_a_zarr_with_an_impossible_shape_is_refused_when_opened(tmp_path: Path, volume: np.ndarray) -> None:
    path = Path(stored(tmp_path, "v3.zarr", volume))
    text = (path / "zarr.json").read_text()
    for shape, words in (("-40", "readable Zarr store|axes"), ("4" + 20 * "0", r"less than 2\^63 bytes")):
        (path / "zarr.json").write_text(text.replace("40", shape, 1))
        with pytest.raises(ValueError, match=words):
            open_volume(path)


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("boss://a/b/c", "the kind of volume must be one of .* got 'boss'; did you mean 'bossdb'"),
        ("bossdb://a/b", "a database URI is"),
        ("bossdb://a/../c", "a database URI is"),
        ("bossdb://a/b/c/d", "a database URI is"),
        ("bossdb://a/b/c/0/../../x", "a database URI is"),
        ("phantom://labels", "the channel must be one of image, pixel_labels, roi_labels, got 'labels'"),
        ("phantom://image?sead=1", "got 'sead'; did you mean 'seed'"),
        ("phantom://image?seed=x", "seed must be one whole number"),
        ("phantom://image?shape=1,2", "shape must be three positive sizes"),
        ("phantom://image?shape=0,2,2", "shape must be three positive sizes"),
        ("phantom://image?level=x", "level must be one whole number"),
        ("phantom://image?level=8", "level must be 0 to 7, got 8"),
        ("phantom://image?texture=-1", "texture must be a strength of 0 or more"),
        ("phantom://image?halo=bright", "halo must be a strength of 0 or more"),
        ("a.npy#key", "only a .npz file takes a #key"),
    ],
)
def test_a_malformed_uri_is_refused(uri: str, text: str) -> None:
    with pytest.raises(ValueError, match=text.replace("?", r"\?")):
        open_volume(uri)


def test_an_absent_path_is_named(tmp_path: Path) -> None:
    for name in ("absent.npy", "absent*.png"):
        with pytest.raises(FileNotFoundError, match="absent"):
            open_volume(tmp_path / name)


def test_images_that_differ_in_size_are_refused(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    Image.new("L", (4, 5)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"must be alike: .*a.png is \(4, 4\), .*b.png is \(5, 4\)"):
        open_volume(tmp_path)


def test_other_axes_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 2, 2, 2)))
    with pytest.raises(ValueError, match="shape"):
        open_volume(tmp_path / "a.npy")


def test_slices_are_stacked_in_natural_order(tmp_path: Path) -> None:
    for z in (0, 2, 10, 9):
        Image.fromarray(np.full((2, 2), z, np.uint8)).save(tmp_path / f"z{z}.png")
    assert open_volume(tmp_path)[:, 0:1, 0:1].ravel().tolist() == [0, 2, 9, 10]


def test_a_slice_beyond_pillows_guard_opens_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (40, 40)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_volume(tmp_path / "large.png").shape == (1, 40, 40)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_the_real_slice_has_the_measured_cortex(real_data: Path) -> None:
    import json

    opened = open_volume(real_data / "prasad2020" / "image_z159.png")
    assert opened.shape == (1, 1420, 5805)
    measured = json.loads((real_data / "prasad2020" / "calibration.json").read_text())["crops"]["159"][
        "A_CTX"
    ]
    assert opened[0:1, 900:1156, 4600:4856].mean() == pytest.approx(measured["mean"], abs=1e-3)


def test_a_phantoms_levels_and_looks_are_part_of_its_address() -> None:
    from mtneuro_data.phantom import Appearance, Phantom

    look = Appearance(texture=0.5, halo=0)
    coarse = open_volume("phantom://image?seed=3&level=1&texture=0.5&halo=0")
    assert (coarse.shape, coarse.voxel_size_um) == ((360, 710, 2903), (2.34, 2.34, 2.34))
    right = Phantom("image", seed=3, appearance=look).read((100, 500, 2300), (104, 516, 2320), level=1)
    np.testing.assert_array_equal(coarse[100:104, 500:516, 2300:2320], right)


def test_a_cache_keeps_levels_and_looks_of_a_phantom_apart(tmp_path: Path) -> None:
    for query in ("", "&level=1", "&texture=0", "&contrast=0"):
        uri = f"phantom://image?seed=1{query}"
        kept = open_volume(uri, cache=Cache(tmp_path))[40:41, 200:220, 800:830]
        np.testing.assert_array_equal(kept, open_volume(uri)[40:41, 200:220, 800:830])
    assert len(Cache(tmp_path).entries()) == 4


def test_levels_of_an_ome_zarr_are_read_with_their_voxel_size(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).integers(0, 256, (9, 300, 520), dtype=np.uint8)
    path = tmp_path / "a.zarr"
    save_volume(path, voxels, voxel_size_um=(3.0, 2.0, 1.0))
    coarse = open_volume(f"{path}#1")
    assert (coarse.shape, coarse.voxel_size_um) == ((9, 150, 260), (3.0, 4.0, 2.0))
    np.testing.assert_array_equal(coarse[:, :, :], downsampled_images(voxels, 2))
    np.testing.assert_array_equal(open_volume(f"{path}#0")[:, :, :], voxels)
    for uri, text in (
        (f"{path}#2", r"the level of .* must lie within \[0, 2\), got #2"),
        (f"{path}#fine", r"must lie within \[0, 2\), got #fine"),
        (f"{path}/0#1", "is one array and has no levels, got #1"),
    ):
        with pytest.raises(ValueError, match=text):
            open_volume(uri)


def test_a_scale_of_a_whole_ome_zarr_and_its_unit_count(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    save_volume(path, np.ones((2, 3, 4), np.uint8), voxel_size_um=(3.0, 2.0, 1.0))
    about = json.loads((path / "zarr.json").read_text())
    scale = about["attributes"]["ome"]["multiscales"][0]
    scale["coordinateTransformations"] = [{"type": "scale", "scale": [1, 1, 10]}]
    scale["axes"][0]["unit"] = "nanometer"
    (path / "zarr.json").write_text(json.dumps(about))
    assert open_volume(path).voxel_size_um == pytest.approx((0.003, 2.0, 10.0))
