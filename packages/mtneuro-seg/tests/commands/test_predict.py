"""Labels of a volume, written to each kind of file."""

from typing import Any

import numpy as np
import pytest
import zarr
from mtneuro_seg import (
    Model,
    SweepSettings,
    TrainSettings,
    build_network,
    fitted,
    from_pretrained,
    load_model,
    open_volume_file,
    predict,
    swept_labels,
)

WINDOW = ("--window", "16", "16")
IDS = tuple(f"A-CTX/z{z}" for z in range(110, 118))


@pytest.mark.parametrize("name", ["labels.npy", "labels.npz", "labels.zarr", "labels.ome.zarr"])
def test_each_kind_of_file_holds_the_same_labels(capsys, data, model, run, tmp_path, name):
    assert run("predict", model, data, "-o", tmp_path / name, *WINDOW) == 0
    assert f"labels (8, 16, 16) written to {tmp_path / name}" in capsys.readouterr().out
    with np.load(data) as held:
        expected = swept_labels(load_model(model), held["images"], sweep=SweepSettings(window=(16, 16)))
    np.testing.assert_array_equal(open_volume_file(tmp_path / name, key="masks").loaded(), expected)


@pytest.mark.parametrize("name", ["labels.npz", "labels.zarr"])
def test_labels_keep_the_voxel_size_and_the_ids_of_their_images(data, model, run, tmp_path, name):
    assert run("predict", model, data, "-o", tmp_path / name, *WINDOW) == 0
    found = open_volume_file(tmp_path / name, key="masks")
    assert found.voxel_size_um == (1.17, 1.17, 1.17)
    assert found.sample_id == IDS
    assert found.class_names == ("background", "vessels", "cells")


@pytest.mark.parametrize("name", ["labels.npz", "labels.zarr", "labels.ome.zarr"])
def test_a_voxel_size_that_the_volume_does_not_state_is_kept_where_it_is_given(model, run, tmp_path, name):
    np.save(tmp_path / "volume.npy", np.random.default_rng(1).integers(0, 256, (2, 16, 16), dtype=np.uint8))
    words = ("predict", model, tmp_path / "volume.npy", "-o", tmp_path / name, *WINDOW)
    assert run(*words) == 0
    assert open_volume_file(tmp_path / name, key="masks").voxel_size_um is None
    assert run(*words, "--force", "--voxel-size", "0.04", "0.01", "0.01") == 0
    assert open_volume_file(tmp_path / name, key="masks").voxel_size_um == (0.04, 0.01, 0.01)


def test_a_part_of_a_volume_is_labelled(capsys, model, run, tmp_path):
    volume = np.random.default_rng(1).integers(0, 256, (4, 40, 40), dtype=np.uint8)
    np.save(tmp_path / "volume.npy", volume)
    np.save(tmp_path / "part.npy", volume[1:3, 8:24, 4:36])
    part = ("--z", "1:3", "--y", "8:24", "--x", "4:36")
    assert run("predict", model, tmp_path / "volume.npy", "-o", tmp_path / "a.npy", *part) == 0
    assert run("predict", model, tmp_path / "part.npy", "-o", tmp_path / "b.npy") == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))
    assert run("predict", model, tmp_path / "part.npy", "-o", tmp_path / "c.npy", "--z", "1:9") == 2
    assert "--z must be first:end with 0 <= first < end <= 2" in capsys.readouterr().err


def test_an_ome_zarr_of_a_part_lies_where_the_part_was(data, model, run, tmp_path):
    labels = tmp_path / "labels.ome.zarr"
    assert run("predict", model, data, "-o", labels, "--z", "2:6", *WINDOW) == 0
    about: Any = zarr.open_group(labels, mode="r").attrs["ome"]
    _, moved = about["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert moved["translation"] == [pytest.approx(2 * 1.17), 0, 0]


def test_subvolumes_are_labelled_one_by_one(run, tmp_path):
    settings = TrainSettings(model="unet3d", classes=2, filters=2, levels=2)
    network = build_network(settings)
    Model(network=network, settings=settings, class_names=("none", "cells")).save(tmp_path / "deep")
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    assert run("predict", tmp_path / "deep", tmp_path / "images.npy", "-o", tmp_path / "labels.zarr") == 0
    expected = predict(load_model(tmp_path / "deep"), images, batch_size=4)
    np.testing.assert_array_equal(open_volume_file(tmp_path / "labels.zarr").loaded(), expected)


def test_a_volume_is_not_written_over_and_subvolumes_are_no_volume(capsys, data, model, run, tmp_path):
    np.save(tmp_path / "volume.npy", np.zeros((2, 8, 16, 16), np.uint8))
    volume = tmp_path / "volume.npy"
    wrong = {
        (data, "-o", data): "must be different files",
        (volume, "-o", tmp_path / "a.ome.zarr"): "need a volume (z, y, x), got shape (2, 8, 16, 16)",
        (
            volume,
            "-o",
            tmp_path / "a.zarr",
            "--probabilities",
            tmp_path / "p.zarr",
        ): "need a volume (z, y, x)",
    }
    for words, message in wrong.items():
        assert run("predict", model, *words) == 2, words
        assert message in capsys.readouterr().err, words
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.npz", "model", "volume.npy"]


@pytest.fixture
def corrected(tmp_path) -> Any:
    """An OME-Zarr of labels that somebody corrected by hand."""
    group = zarr.open_group(tmp_path / "corrected.zarr", mode="w")
    array = group.create_array("0", data=np.full((8, 16, 16), 2, np.uint8))
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0, 1.0]}]}
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [level]}]}
    return array


@pytest.mark.parametrize("option", ["--output", "--probabilities"])
def test_labels_that_it_did_not_write_are_never_replaced(
    capsys, data, model, run, tmp_path, corrected, option
):
    places = {"--output": tmp_path / "new.zarr", option: tmp_path / "corrected.zarr"}
    assert run("predict", model, data, *(word for each in places.items() for word in each), *WINDOW) == 2
    assert "corrected.zarr' must be new or an earlier prediction" in capsys.readouterr().err
    np.testing.assert_array_equal(corrected[...], 2)


@pytest.mark.parametrize("ending", [".zarr", ".ome.zarr"])
def test_its_own_labels_and_probabilities_are_replaced_where_that_is_asked_for(
    capsys, data, model, run, tmp_path, ending
):
    places = ("-o", tmp_path / f"a{ending}", "--probabilities", tmp_path / f"p{ending}")
    words = ("predict", model, data, *places, *WINDOW)
    assert [run(*words), run(*words), run(*words, "--force")] == [0, 2, 0]
    assert f"a{ending}, which is there already; --force replaces it" in capsys.readouterr().err


def test_a_prediction_that_was_begun_in_an_olders_place_goes_on(data, model, run, tmp_path):
    words = ("predict", model, data, "-o", tmp_path / "a.zarr", *WINDOW)
    assert run(*words) == 0
    (tmp_path / "a.zarr.partial").mkdir()
    assert run(*words) == 0


@pytest.mark.parametrize("option", ["--output", "--probabilities"])
def test_a_place_that_cannot_be_written_is_refused_before_the_model_is_read(capsys, run, tmp_path, option):
    (tmp_path / "file").touch()
    places = {"--output": tmp_path / "a.zarr", option: tmp_path / "file" / "a.zarr"}
    words = [word for each in places.items() for word in each]
    assert run("predict", tmp_path / "no model", "no volume", *words) == 2
    assert "file is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["labels.npy", "labels.zarr"])
def test_a_volume_is_labelled_through_a_window(capsys, model, run, tmp_path, name):
    grey = np.random.default_rng(1).integers(0, 256, (2, 16, 16), dtype=np.uint8)
    np.save(tmp_path / "grey.npy", grey)
    np.save(tmp_path / "wide.npy", grey.astype(np.uint16) * 10)
    assert run("predict", model, tmp_path / "wide.npy", "-o", tmp_path / name, *WINDOW) == 2
    assert "must be uint8, got uint16 with values from 0 to 25" in capsys.readouterr().err
    wide = ("predict", model, tmp_path / "wide.npy", "-o", tmp_path / name, *WINDOW)
    assert run(*wide, "--intensity", "0:2550") == 0
    assert run("predict", model, tmp_path / "grey.npy", "-o", tmp_path / "plain.npy", *WINDOW) == 0
    found = open_volume_file(tmp_path / name, key="masks").loaded()
    np.testing.assert_array_equal(found, np.load(tmp_path / "plain.npy"))


def test_a_model_of_the_package_labels_a_volume_of_another_pixel_size(capsys, run, tmp_path):
    volume = np.random.default_rng(1).integers(60, 200, (2, 40, 60), dtype=np.uint8)
    np.save(tmp_path / "volume.npy", volume)
    words = ("predict", "phantom-unet", tmp_path / "volume.npy", "-o", tmp_path / "labels.zarr")
    assert run(*words) == 2
    assert "no voxel size is stated: give --voxel-size-um" in capsys.readouterr().err
    assert not (tmp_path / "labels.zarr.partial").exists()
    size = (1.17, 0.65, 0.65)
    assert run(*words, "--voxel-size-um", *map(str, size)) == 0
    model = fitted(from_pretrained("phantom-unet"), volume, voxel_size_um=size)
    labels = open_volume_file(tmp_path / "labels.zarr", key="masks").loaded()
    np.testing.assert_array_equal(labels, swept_labels(model, volume))
