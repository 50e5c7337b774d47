import pickle
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import tifffile
import xarray
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from mtneuro_data import Box, Cache, open_volume
from mtneuro_data.cache.chunk import CHUNK
from mtneuro_data.sources.base import Source
from mtneuro_data.volume import Volume
from PIL import Image

IMAGE, LABELS = "bossdb://lab/scan/image", "bossdb://lab/scan/labels"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


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


@pytest.fixture(scope="module")
def chunked(tmp_path_factory: pytest.TempPathFactory) -> Volume:
    voxels = np.random.default_rng(1).integers(0, 256, (12, 40, 50), dtype=np.uint8)
    path = tmp_path_factory.mktemp("chunked") / "a.zarr"
    zarr.create_array(str(path), data=voxels, chunks=(5, 16, 16))
    return open_volume(path)


def test_arrays_to_read_into_must_fit(boss: Any, cache: Cache) -> None:
    opened = open_volume(IMAGE, cache=cache)
    for out, text in (
        ([], "an array for each of 1 boxes, got 0"),
        ([np.empty((1, 2, 4), np.uint8)], r"of the shape \(1, 2, 3\), got uint8 of \(1, 2, 4\)"),
        ([np.empty((1, 2, 3), np.uint16)], r"must be uint8 .*, got uint16"),
    ):
        with pytest.raises(ValueError, match=text):
            opened.read_boxes([((0, 0, 0), (1, 2, 3))], out=out)
    assert opened.read_boxes([]) == []


def test_only_files_that_can_be_written_are_opened_so() -> None:
    with pytest.raises(ValueError, match=r"only a \.npy file or a Zarr array can be written, got phantom"):
        open_volume("phantom://image?shape=8,40,40", writable=True)


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
        -1,
        21000,
        True,
        None,
        [0, 1],
        (0, 0, 0, 0),
        (..., ...),
        1.0,
        (slice(0, 2, 2), slice(0, 1), slice(0, 1)),
        (slice(-1, None), slice(0, 1), slice(0, 1)),
        (slice(0, 1), slice(5, 5), slice(0, 1)),
        (slice(0, 1), slice(0, 151), slice(0, 1)),
        (slice(0, 1.5), slice(0, 1), slice(0, 1)),
    ],
)
def test_loose_indexing_is_refused(tmp_path: Path, volume: np.ndarray, key: Any) -> None:
    with pytest.raises(IndexError):
        open_volume(stored(tmp_path, "npy", volume))[key]


KEYS = [
    3,
    np.int64(3),
    ...,
    (..., 5),
    (2, ...),
    (slice(2, 9),),
    (slice(2, 9), 3),
    (1, 2, 3),
    (slice(None), 4, slice(3, 7)),
    (slice(1, 2), ..., slice(5, 6)),
    (1, 2, ..., 3),
]


@pytest.mark.parametrize("key", KEYS)
def test_numbers_and_dots_index_it_as_an_array(tmp_path: Path, volume: np.ndarray, key: Any) -> None:
    opened = open_volume(stored(tmp_path, "npy", volume))
    np.testing.assert_array_equal(opened[key], volume[key])


def test_a_volume_has_what_an_array_has(tmp_path: Path, volume: np.ndarray) -> None:
    opened = open_volume(stored(tmp_path, "v3.zarr", volume))
    assert (opened.ndim, opened.size, opened.nbytes, len(opened)) == (
        3,
        volume.size,
        volume.nbytes,
        len(volume),
    )
    assert opened.chunks == (8, 32, 32)
    assert open_volume(stored(tmp_path, "npy", volume)).chunks is None
    assert open_volume("phantom://image?shape=8,40,40", cache=Cache(tmp_path / "cache")).chunks == CHUNK
    np.testing.assert_array_equal(np.asarray(opened), volume)
    assert np.asarray(opened, dtype=np.float32).dtype == np.float32
    assert [plane.shape for plane in opened] == [volume.shape[1:]] * len(volume)
    with pytest.raises(ValueError, match="always makes a copy"):
        np.asarray(opened, copy=False)


def test_an_array_of_more_than_memory_is_refused_with_both_sizes() -> None:
    with pytest.raises(ValueError, match=r"must fit into memory, got 1,000,000\.0 GB of"):
        np.asarray(open_volume("phantom://image?shape=100000,100000,100000"))


@pytest.mark.parametrize("kind", ["npy", "v3.zarr", "tif"])
def test_dask_and_xarray_take_a_volume_as_it_is(tmp_path: Path, volume: np.ndarray, kind: str) -> None:
    opened = open_volume(stored(tmp_path, kind, volume))
    chunks: Any = (8, 64, 64)
    lazy = dask.array.from_array(opened, chunks=chunks)
    np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), volume)
    np.testing.assert_array_equal(lazy[3:9, 5, ::-1].compute(scheduler="synchronous"), volume[3:9, 5, ::-1])
    named = xarray.DataArray(lazy, dims=("z", "y", "x"))
    np.testing.assert_array_equal(named.isel(z=3).to_numpy(), volume[3])
    np.testing.assert_array_equal(xarray.DataArray(opened, dims=("z", "y", "x")).to_numpy(), volume)


def test_a_viewer_finds_what_it_asks_of_an_array(tmp_path: Path, volume: np.ndarray) -> None:
    # napari draws one plane of a volume, and looks for its range in a few whole ones.
    opened = open_volume(stored(tmp_path, "v3.zarr", volume))
    assert (opened.ndim, opened.shape, opened.dtype) == (3, volume.shape, volume.dtype)
    for key in (
        (4, slice(None), slice(None)),
        (slice(None), 7, slice(None)),
        (slice(None), slice(None), 9),
        (4,),
    ):
        np.testing.assert_array_equal(np.asarray(opened[key]), volume[key])


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
def test_a_file_of_another_format_than_its_ending_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"this is not an array")
    with pytest.raises(ValueError, match="is not a readable"):
        open_volume(tmp_path / name.partition("/")[0])


def test_other_axes_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 2, 2, 2)))
    with pytest.raises(ValueError, match="shape"):
        open_volume(tmp_path / "a.npy")


@pytest.mark.parametrize("uri", ["phantom://image?shape=16,40,50", "npy"])
def test_both_volumes_are_read_as_each_alone_and_into_arrays(
    tmp_path: Path, volume: np.ndarray, uri: str
) -> None:
    if uri == "npy":
        image = open_volume(stored(tmp_path, "npy", volume))
        labels = open_volume(stored(tmp_path, "npz", volume) + "#label")
    else:
        image, labels = open_volume(uri), open_volume(uri.replace("image", "pixel_labels"))
    boxes = [Box((0, 0, 0), (3, 20, 30)), Box((5, 1, 2), (6, 9, 8))]
    out = [np.zeros(box.shape, np.uint8) for box in boxes]
    found = image.read_both(labels, boxes, out=(out, None))
    for voxels, right in zip(
        [*found[0], *found[1]], [*image.read_boxes(boxes), *labels.read_boxes(boxes)], strict=True
    ):
        np.testing.assert_array_equal(voxels, right)
    assert found[0][0] is out[0]


def test_prefetched_boxes_are_read_without_a_request(boss: Any, tmp_path: Path) -> None:
    opened = open_volume("bossdb://lab/scan/image", cache=Cache(tmp_path))
    opened.prefetch([((0, 0, 0), (8, 8, 8))])
    asked = len(boss.cutouts)
    assert asked > 0
    opened.read((0, 0, 0), (8, 8, 8))
    assert len(boss.cutouts) == asked


def test_prefetching_a_file_only_checks_the_boxes(tmp_path: Path, volume: np.ndarray) -> None:
    open_volume(stored(tmp_path, "npy", volume)).prefetch([((0, 0, 0), (8, 8, 8))])
    with pytest.raises(IndexError, match="z range must lie within"):
        open_volume(stored(tmp_path, "npy", volume)).prefetch([((0, 0, 0), (80, 8, 8))])


def test_arrays_for_two_phantoms_must_fit_too() -> None:
    image, labels = (open_volume(f"phantom://{name}?shape=16,40,50") for name in ("image", "pixel_labels"))
    with pytest.raises(
        ValueError, match=r"out must be uint8 of the shape \(1, 2, 3\), got uint8 of \(4, 2, 3\)"
    ):
        image.read_both(labels, [((0, 0, 0), (1, 2, 3))], out=(None, [np.empty((4, 2, 3), np.uint8)]))


def test_a_box_larger_than_memory_is_refused_with_both_sizes() -> None:
    opened = open_volume("phantom://image?shape=100000,100000,100000")
    with pytest.raises(ValueError, match=r"must fit into memory, got 1,000,000\.0 GB of .* smaller boxes"):
        opened[:, :, :]
    with pytest.raises(ValueError, match=r"must fit into memory, got 2,000,000\.0 GB of"):
        opened.read_boxes([((0, 0, 0), opened.shape)] * 2)
