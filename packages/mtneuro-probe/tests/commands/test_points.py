import numpy as np
import pytest
from mtneuro_probe import load_point_clouds, point_clouds


def test_clouds_of_an_export_have_its_classes_ids_and_regions(tmp_path, export, labels, run, capsys):
    assert run("points", export, "-o", tmp_path / "p.npz") == 0
    clouds = load_point_clouds(tmp_path / "p.npz")
    values = {"blood vessel": 1, "cell": 2, "axon": 3}
    np.testing.assert_array_equal(clouds.points, point_clouds(labels, values, voxel_size_um=(1, 2, 2)).points)
    assert clouds.class_names == ("background", *values)
    assert clouds.region_names == ("CTX", "STR")
    assert clouds.sample_id[0] == "A-CTX/z110"
    told = capsys.readouterr().out
    assert f"cell: {clouds.counts()[:, 1].mean():.4g} an image" in told
    assert "clouds of 60 images" in told


def test_some_labels_of_a_part_and_its_corners_are_chosen(tmp_path, export, labels, run):
    chosen = ("--label", "c=cell", "--label", "v=1", "--ignore", "axon", "--z", "3:5", "--corners")
    assert run("points", export, "-o", tmp_path / "p.npz", *chosen) == 0
    clouds = load_point_clouds(tmp_path / "p.npz")
    expected = point_clouds(labels[3:5], {"c": 2, "v": 1}, ignore=[3], corners=True, voxel_size_um=(1, 2, 2))
    np.testing.assert_array_equal(clouds.points, expected.points)
    assert clouds.sample_id[4] == "A-CTX/z114/tl"
    assert clouds.region is not None
    assert len(clouds.region) == 8


def test_a_class_that_is_ignored_is_no_point(tmp_path, export, run):
    assert run("points", export, "-o", tmp_path / "p.npz", "--ignore", "axon") == 0
    assert load_point_clouds(tmp_path / "p.npz").class_names == ("background", "blood vessel", "cell")


def test_instances_of_an_array_are_points_in_pixels(tmp_path, labels, run, capsys):
    np.save(tmp_path / "ids.npy", labels.astype(np.uint64) * (1 << 40))
    assert run("points", tmp_path / "ids.npy", "-o", tmp_path / "p.npz", "--instances", "neuron") == 0
    assert load_point_clouds(tmp_path / "p.npz").class_names == ("background", "neuron")
    assert "lengths are in pixels; --voxel-size Z Y X" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-o", "p.csv"], "must be written to a .npz"),
        (["-o", "p.npz", "--label", "synapse"], "must be one of background"),
        (["-o", "p.npz", "--label", "cell"], "got also 1, 3"),
        (["-o", "p.npz", "--most-points", "3"], "an image must have 3 points at most"),
        (
            ["-o", "p.npz", "--minimum-area-px", "500"],
            "must hold an object of blood vessel, cell, axon, got none",
        ),
        (["-o", "p.npz", "--minimum-area-px", "0"], "--minimum-area-px must be at least 1, got 0"),
    ],
)
def test_a_mistake_is_one_line(monkeypatch, tmp_path, export, run, capsys, words, told):
    monkeypatch.chdir(tmp_path)
    assert run("points", export, *words) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert told in line
    assert not (tmp_path / "p.npz").exists()


def test_images_in_the_place_of_labels_are_refused(tmp_path, export, run, capsys):
    assert run("points", f"{export}#images", "-o", tmp_path / "p.npz") == 2
    assert "got also 50, 100, 150" in capsys.readouterr().err
