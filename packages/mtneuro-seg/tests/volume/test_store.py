"""Where labels are written: shards, levels, and what is not replaced."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from mtneuro_seg import open_volume_file
from mtneuro_seg.volume.store import (
    Layout,
    create_labels,
    create_probabilities,
    move_into_place,
    write_labels,
    zarr_path,
)

NAMES = ("background", "vessels")


def created(path: Path, *, ome: bool) -> Path:
    layout = Layout(shard_depth=4, class_names=NAMES, attributes={"source": "v", "prediction": {}})
    create_labels(path, (6, 260, 140), ome=ome, layout=layout)
    return path


def transformations(path: Path) -> list[Any]:
    about: Any = zarr.open_group(path, mode="r").attrs["ome"]
    return [level["coordinateTransformations"] for level in about["multiscales"][0]["datasets"]]


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


def test_labels_of_a_part_lie_where_the_part_was_cut_out(tmp_path):
    path = tmp_path / "a.ome.zarr"
    layout = Layout(shard_depth=4, class_names=NAMES, voxel_size_um=(2.0, 1.0, 0.5), lower=(10, 20, 30))
    create_labels(path, (4, 300, 300), ome=True, layout=layout)
    corner = {"type": "translation", "translation": [20.0, 20.0, 15.0]}
    assert transformations(path) == [
        [{"type": "scale", "scale": [2.0, 1.0, 0.5]}, corner],
        [{"type": "scale", "scale": [2.0, 2.0, 1.0]}, corner],
    ]
    assert open_volume_file(path).voxel_size_um == (2.0, 1.0, 0.5)


def test_probabilities_of_a_part_lie_where_the_part_was_cut_out(tmp_path):
    path = tmp_path / "a.ome.zarr"
    layout = Layout(shard_depth=4, class_names=NAMES, lower=(1, 2, 3))
    create_probabilities(path, (2, 4, 64, 64), ome=True, layout=layout)
    assert transformations(path)[0][1] == {"type": "translation", "translation": [0.0, 1.0, 2.0, 3.0]}


def test_labels_of_a_whole_volume_are_not_moved(tmp_path):
    kinds = [[each["type"] for each in level] for level in transformations(created(tmp_path / "a", ome=True))]
    assert kinds == [["scale"]]


def test_a_finished_zarr_takes_the_place_of_an_earlier_one(tmp_path):
    created(tmp_path / "labels.zarr", ome=True)
    move_into_place(created(tmp_path / "new.zarr", ome=False), tmp_path / "labels.zarr")
    assert isinstance(zarr.open(tmp_path / "labels.zarr", mode="r"), zarr.Array)
    move_into_place(tmp_path / "new.zarr", tmp_path / "labels.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["labels.zarr"]


def test_the_earlier_zarr_stays_until_the_new_one_is_in_its_place(tmp_path, monkeypatch):
    earlier, new = (created(tmp_path / f"{name}.zarr", ome=False) for name in ("earlier", "new"))
    before = (earlier / "zarr.json").stat().st_ino
    rename = Path.rename

    def refused(path: Path, to: Path) -> Path:
        if path == new:
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(OSError, match="Input/output error"):
        move_into_place(new, earlier)
    assert (earlier / "zarr.json").stat().st_ino == before


def test_a_finished_zarr_is_moved_to_another_disk(tmp_path, monkeypatch):
    replace = os.replace

    def refused(path: Path, to: Path) -> None:
        if Path(path).name == "new.zarr":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(path, to)

    monkeypatch.setattr(os, "replace", refused)
    move_into_place(created(tmp_path / "new.zarr", ome=False), tmp_path / "other" / "labels.zarr")
    assert isinstance(zarr.open(tmp_path / "other" / "labels.zarr", mode="r"), zarr.Array)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_what_a_killed_writer_left_in_a_zarr_is_not_kept(tmp_path):
    new = created(tmp_path / "new.zarr", ome=False)
    (new / "c" / "0").mkdir(parents=True)
    (new / "c" / "0" / "0.0123.partial").touch()
    move_into_place(new, tmp_path / "labels.zarr")
    assert list((tmp_path / "labels.zarr" / "c" / "0").iterdir()) == []


def test_something_else_is_not_replaced(tmp_path):
    (tmp_path / "mine.zarr").mkdir()
    with pytest.raises(FileExistsError, match="must be new or an earlier prediction"):
        zarr_path(tmp_path / "mine.zarr")


@pytest.mark.parametrize("ome", [False, True])
def test_an_earlier_prediction_is_replaced(tmp_path, ome):
    path = created(tmp_path / "labels.ome.zarr", ome=ome)
    assert zarr_path(path) == path
