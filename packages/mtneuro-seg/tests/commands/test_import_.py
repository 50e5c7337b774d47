import numpy as np
import pytest
import torch
from mtneuro_seg import TrainSettings, build_network, load_model

NAMES = {"0": "conv1", "2": "norm1", "3": "conv2", "5": "norm2"}


@pytest.fixture
def weights(tmp_path):
    """A file of weights in the original's layout, of a network of ours."""
    network = build_network(TrainSettings(classes=3, filters=4, levels=2, seed=5))
    state = {}
    for name, value in network.state_dict().items():
        part, *place, kind = name.split(".")
        if part == "head":
            state[f"conv_final.{kind}"] = value
        else:
            level, layer = place
            block = "down_blocks" if part == "down" else "up_blocks"
            named = {"0": "up", "2": "norm0"} if part == "widen" else NAMES
            state[f"{block}.{level}.{named[layer]}.{kind}"] = value
    torch.save(state, tmp_path / "UNet.pt")
    return tmp_path / "UNet.pt"


def test_published_weights_become_a_folder_that_predicts(data, weights, tmp_path, run, capsys):
    assert run("import", weights, "-o", tmp_path / "unet") == 0
    assert capsys.readouterr().out == f"2D U-Net of 3 classes written to {tmp_path / 'unet'}\n"
    assert run("predict", tmp_path / "unet", data, "-o", tmp_path / "labels.npz", "--device", "cpu") == 0
    with np.load(tmp_path / "labels.npz") as found:
        assert found["masks"].shape == (8, 16, 16)
        assert found["class_names"].tolist() == ["background", "vessels", "cells"]


def test_settings_say_what_the_weights_do_not(weights, tmp_path, run):
    assert run("import", weights, "-o", tmp_path / "unet", "--set", "activation=elu") == 0
    assert load_model(tmp_path / "unet").settings.activation == "elu"


def test_what_cannot_be_read_or_written_is_one_line(data, weights, tmp_path, run, capsys):
    for words, message in (
        ((tmp_path / "nowhere.pt",), "no file at"),
        ((data,), "must be a file of torch.save with plain tensors"),
        ((weights, "--set", "classes=4"), "classes must be 3"),
    ):
        assert run("import", *words, "-o", tmp_path / "unet") == 2
        assert message in capsys.readouterr().err
    (tmp_path / "unet").mkdir()
    assert run("import", weights, "-o", tmp_path / "unet") == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert run("predict", weights, data, "-o", tmp_path / "labels.npz") == 2
    assert f"`mtneuro-seg import {weights} -o FOLDER`" in capsys.readouterr().err
