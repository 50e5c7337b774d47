"""Labels drawn in 3D."""

import numpy as np
import pytest


@pytest.fixture
def shown(monkeypatch):
    """What is drawn: the arguments of each figure, whose file is left empty."""
    found = []

    class Saved:
        def savefig(self, path, **_: object) -> None:
            path.touch()

    def drawn(labels, **settings):
        found.append((labels, settings))
        return Saved()

    monkeypatch.setattr("mtneuro_seg.surfaces.surface_figure", drawn)
    return found


@pytest.fixture
def labels(tmp_path):
    volume = np.random.default_rng(0).integers(0, 3, (6, 8, 10)).astype(np.uint8)
    np.savez(tmp_path / "labels.npz", masks=volume, voxel_size_um=np.array([2.0, 1.0, 1.0]))
    return volume


def test_a_picture_of_the_labels_is_written(capsys, tmp_path, run):
    np.save(tmp_path / "labels.npy", np.tri(8, dtype=np.uint8)[None].repeat(8, axis=0))
    assert run("render", tmp_path / "labels.npy", "-o", tmp_path / "a.png", "--size", "40") == 0
    assert f"figure written to {tmp_path / 'a.png'}" in capsys.readouterr().out
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_a_step_thins_the_volume_along_each_axis(tmp_path, run, labels, shown):
    assert run("render", tmp_path / "labels.npz", "-o", tmp_path / "a.png", "--step", "2") == 0
    np.testing.assert_array_equal(shown[0][0], labels[::2, ::2, ::2])


def test_a_part_of_the_volume_is_drawn(tmp_path, run, labels, shown):
    words = ("render", tmp_path / "labels.npz", "-o", tmp_path / "a.png", "--z", "1:4", "--x", "0:5")
    assert run(*words) == 0
    np.testing.assert_array_equal(shown[0][0], labels[1:4, :, :5])


def test_the_files_voxel_size_sets_the_proportions(tmp_path, run, labels, shown):
    assert run("render", tmp_path / "labels.npz", "-o", tmp_path / "a.png") == 0
    assert shown[0][1]["voxel_size_um"] == (2.0, 1.0, 1.0)


def test_a_voxel_size_is_an_option_where_the_file_has_none(tmp_path, run, labels, shown):
    np.save(tmp_path / "labels.npy", labels)
    words = ("render", tmp_path / "labels.npy", "-o", tmp_path / "a.png")
    assert run(*words) == 0
    assert run(*words, "--force", "--voxel-size", "3", "1", "1") == 0
    assert [settings["voxel_size_um"] for _, settings in shown] == [None, (3.0, 1.0, 1.0)]


def test_labels_without_names_get_those_of_the_benchmark(tmp_path, run, labels, shown):
    assert run("render", tmp_path / "labels.npz", "-o", tmp_path / "a.png") == 0
    assert shown[0][1]["class_names"] == ("background", "vessels", "cells")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("images.npy", "-o", "a.png"), "labels must have axes (z, y, x), got shape (2, 4, 8, 8)"),
        (("images.npy", "-o", "a.png", "--step", "0"), "--step and --size must be at least 1, got 0 and 400"),
        (("images.npy", "-o", "a.gif"), "must be written to a .png, .pdf or .svg"),
        (
            ("grey.npy", "-o", "a.png"),
            "labels must be whole numbers from 0 to 63 to be drawn, got uint8 up to 250",
        ),
        (("grey.npy", "-o", "grey.npy/a.png"), "grey.npy is not a folder"),
    ],
)
def test_what_cannot_be_drawn_is_refused(capsys, monkeypatch, tmp_path, run, words, message):
    np.save(tmp_path / "images.npy", np.zeros((2, 4, 8, 8), np.uint8))
    np.save(tmp_path / "grey.npy", np.full((4, 8, 8), 250, np.uint8))
    monkeypatch.chdir(tmp_path)
    assert run("render", *words) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grey.npy", "images.npy"]
