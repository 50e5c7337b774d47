"""``mtneuro-seg push``, and commands that take what it pushed."""

import numpy as np
import pytest
from mtneuro_seg import TrainSettings
from mtneuro_seg.model import Model, build_network


@pytest.fixture
def folder(tmp_path):
    settings = TrainSettings(filters=2, levels=2, classes=3, image_type="uint8")
    names = ("background", "vessels", "cells")
    Model(network=build_network(settings).eval(), settings=settings, class_names=names).save(
        tmp_path / "model"
    )
    return tmp_path / "model"


def test_a_pushed_model_predicts_by_the_name_that_pins_it(hub, run, tmp_path, folder, capsys):
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (4, 16, 16), dtype=np.uint8))
    assert (
        run("push", folder, "owner/name", "--licence", "mit", "--dataset", "owner/images", "--tag", "brain")
        == 0
    )
    first, last = capsys.readouterr().out.splitlines()
    assert first == "model pushed to owner/name"
    assert (
        run("predict", last.removeprefix("pinned: "), tmp_path / "images.npy", "-o", tmp_path / "theirs.npy")
        == 0
    )
    assert run("predict", folder, tmp_path / "images.npy", "-o", tmp_path / "ours.npy") == 0
    np.testing.assert_array_equal(np.load(tmp_path / "ours.npy"), np.load(tmp_path / "theirs.npy"))


def test_what_cannot_be_pushed_is_refused_in_a_line(hub, run, tmp_path, folder, capsys):
    def refused(*arguments: object) -> str:
        assert run(*arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    assert "--licence mit" in refused("push", folder, "owner/name")
    assert "--metric must be name=value" in refused("push", folder, "owner/name", "--metric", "f1=good")
    assert "owner/name, got 'name'" in refused("push", folder, "name", "--licence", "mit")
    assert run("push", folder, "owner/name", "--licence", "mit") == 0
    capsys.readouterr()
    assert "--force" in refused("push", folder, "owner/name", "--licence", "mit")
    assert run("push", folder, "owner/name", "--licence", "mit", "--force") == 0
    capsys.readouterr()
    told = refused("predict", "owner/name@v9", tmp_path / "images.npy", "-o", tmp_path / "labels.npy")
    assert "owner/name has no revision 'v9'" in told


def test_files_of_this_machine_that_a_model_names_are_told(hub, run, tmp_path, capsys):
    settings = TrainSettings(
        model="fpn", encoder_name="resnet18", encoder_weights="/home/me/weights.pth", classes=3
    )
    network = build_network(settings.model_copy(update={"encoder_weights": None}))
    Model(network=network.eval(), settings=settings, class_names=("a", "b", "c")).save(tmp_path / "model")
    assert run("push", tmp_path / "model", "owner/name", "--licence", "mit") == 0
    assert "which readers see: encoder_weights: /home/me/weights.pth" in capsys.readouterr().out
