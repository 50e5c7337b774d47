"""Where labels are written: shards, levels, and what is not replaced."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from mtneuro_seg.volume.store import create_labels, replace, write_labels, zarr_path

NAMES = ("background", "vessels")


def created(path: Path, *, ome: bool) -> Path:
    about: dict[str, Any] = {"class_names": NAMES, "voxel_size_um": None, "attributes": {"source": "v"}}
    create_labels(path, (6, 260, 140), shard_depth=4, ome=ome, **about)
    return path


def test_labels_are_one_array_whose_shards_are_as_deep_as_a_row(tmp_path):
    array = zarr.open_array(created(tmp_path / "a.zarr", ome=False), mode="r")
    assert (array.shape, array.shards, array.chunks) == ((6, 260, 140), (4, 320, 192), (4, 64, 64))
    assert array.attrs["source"] == "v"


def test_rows_are_written_into_every_level(tmp_path):
    path = created(tmp_path / "a.ome.zarr", ome=True)
    labels = np.random.default_rng(0).integers(0, 2, (6, 260, 140)).astype(np.uint8)
    for start in (4, 0):
        write_labels(path, labels[start : start + 4], start=start)
    np.testing.assert_array_equal(zarr.open_array(path / "0", mode="r")[...], labels)
    assert not (path / "1").exists()  # 140 pixels are halved no more


def test_a_finished_zarr_takes_the_place_of_an_earlier_one(tmp_path):
    created(tmp_path / "labels.zarr", ome=True)
    replace(created(tmp_path / "new.zarr", ome=False), tmp_path / "labels.zarr")
    assert isinstance(zarr.open(tmp_path / "labels.zarr", mode="r"), zarr.Array)
    replace(tmp_path / "new.zarr", tmp_path / "labels.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["labels.zarr"]


def test_something_else_is_not_replaced(tmp_path):
    (tmp_path / "mine.zarr").mkdir()
    with pytest.raises(FileExistsError, match="must be new or a Zarr array"):
        zarr_path(tmp_path / "mine.zarr")
