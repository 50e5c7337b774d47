"""The folder that a person annotates: what it holds, and that nothing of theirs is ever replaced."""

import json
from typing import Any

import numpy as np
import pytest
import zarr
from mtneuro_seg import open_volume_file, read_boxes
from mtneuro_seg.annotation.folder import ABOUT, read_suggestions
from mtneuro_seg.nifti import read_nifti


def test_each_box_has_its_image_and_labels_in_two_forms_at_its_place(suggested, volume, tmp_path):
    found = suggested(tmp_path / "round1", lower=(10, 0, 100))
    assert read_boxes(tmp_path / "round1") == tuple(each.box for each in found)
    read = read_suggestions(tmp_path / "round1")
    assert read.voxel_size_um == (3, 2, 1)
    for each, kept in zip(found, read.boxes, strict=True):
        place = tmp_path / "round1" / "boxes" / each.box.name
        z, y, x = (at - moved for at, moved in zip(each.box.lower, (10, 0, 100), strict=True))
        image = volume[z : z + 2, y : y + 16, x : x + 16]
        assert sorted(path.name for path in place.iterdir()) == [
            "image.nii.gz",
            "image.ome.zarr",
            "labels.nii.gz",
            "labels.ome.zarr",
        ]
        for name, voxels in (("image", image), ("labels", kept.prediction)):
            packed, opened = (
                read_nifti(place / f"{name}.nii.gz"),
                open_volume_file(place / f"{name}.ome.zarr"),
            )
            np.testing.assert_array_equal(packed.array, voxels)
            np.testing.assert_array_equal(opened.loaded(), voxels)
            assert packed.voxel_size_um == pytest.approx((3, 2, 1))
            assert opened.voxel_size_um == (3, 2, 1)
            about: Any = zarr.open_group(place / f"{name}.ome.zarr", mode="r").attrs["ome"]
            _, moved = about["multiscales"][0]["datasets"][0]["coordinateTransformations"]
            assert moved["translation"] == [
                at * edge for at, edge in zip(each.box.lower, (3, 2, 1), strict=True)
            ]
    told = (tmp_path / "round1" / "labels.txt").read_text()
    assert '    2   247  226   37        1  1  1    "cells"' in told
    assert "- 255: not known" in (tmp_path / "round1" / "README.md").read_text()


def test_suggestions_that_nobody_changed_are_replaced_only_when_asked(suggested, tmp_path):
    suggested(tmp_path / "round1")
    with pytest.raises(FileExistsError, match=r"there already; --force \(replace=True\) replaces it"):
        suggested(tmp_path / "round1")
    again = suggested(tmp_path / "round1", settings={"seed": 1}, replace=True)
    assert read_boxes(tmp_path / "round1") == tuple(each.box for each in again)
    assert [path.name for path in tmp_path.iterdir()] == ["round1"]


@pytest.mark.parametrize(
    "name", ["labels.nii.gz", "labels.tif", "labels.ome.zarr/0/c/0/0/0", "../../notes.md"]
)
def test_what_a_person_changed_or_added_is_never_replaced(suggested, tmp_path, name):
    first, _ = suggested(tmp_path / "round1")
    path = tmp_path / "round1" / "boxes" / first.box.name / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=f"{path.name} changed or added since, which is not replaced"):
        suggested(tmp_path / "round1", replace=True)
    assert path.read_bytes() == b"mine"


def test_a_folder_of_something_else_is_never_replaced(suggested, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").touch()
    with pytest.raises(FileExistsError, match="got something else, which is not replaced"):
        suggested(tmp_path / "mine", replace=True)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["a.txt"]


def test_a_folder_that_is_none_or_of_another_version_is_told_in_one_line(suggested, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must hold suggestions\.json, found none in "):
        read_suggestions(tmp_path)
    suggested(tmp_path / "round1")
    about = tmp_path / "round1" / ABOUT
    whole = json.loads(about.read_text())
    for wrong, told in (
        ("{", "must be JSON"),
        (json.dumps(whole | {"format_version": 9}), "format_version 1, got .* 9"),
        (json.dumps({key: value for key, value in whole.items() if key != "boxes"}), "it lacks 'boxes'"),
    ):
        about.write_text(wrong)
        with pytest.raises(ValueError, match=told):
            read_suggestions(tmp_path / "round1")
    about.write_text(json.dumps(whole))
    (tmp_path / "round1" / "predictions.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"must hold predictions\.npz"):
        read_suggestions(tmp_path / "round1")
