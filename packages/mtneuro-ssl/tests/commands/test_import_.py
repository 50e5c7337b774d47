import json

import numpy as np
import pytest
import torch
from mtneuro_ssl import load_model, original_model
from mtneuro_ssl.resnet import resnet18

NAMES = {"conv1": "0", "bn1": "1", "layer1": "3", "layer2": "4", "layer3": "5", "layer4": "6"}


@pytest.fixture
def weights(tmp_path):
    state = {}
    for name, value in resnet18(latent_dim=None).state_dict().items():
        part, _, rest = name.partition(".")
        state[f"online_encoder.f.{NAMES[part]}.{rest}"] = value
    torch.save({"model": state, "epoch": 3}, tmp_path / "ckpt-3.pt")
    return tmp_path / "ckpt-3.pt"


def test_a_published_checkpoint_becomes_a_folder_that_embeds(volume, weights, tmp_path, run, capsys):
    run("import", weights, "-o", tmp_path / "byol")
    assert capsys.readouterr().out == f"model of 512 features (byol) written to {tmp_path / 'byol'}\n"
    run("embed", tmp_path / "byol", volume, "-o", tmp_path / "e.npz", "--device", "cpu")
    with np.load(volume) as images, np.load(tmp_path / "e.npz") as found:
        np.testing.assert_array_equal(
            found["embeddings"], original_model(weights, device="cpu").embed(images["images"])
        )
    assert json.loads((tmp_path / "byol" / "config.json").read_text())["source"] == "ckpt-3.pt"


def test_the_network_file_and_single_settings_say_what_the_weights_do_not(weights, tmp_path, run):
    file = {"method": "myowmerged", "model": "ResNet-18", "ssl_epochs": 800, "batch_size": 8}
    (tmp_path / "net.json").write_text(json.dumps(file))
    run(
        "import", weights, "-o", tmp_path / "m", "--settings", tmp_path / "net.json", "--set", "batch_size=16"
    )
    settings = load_model(tmp_path / "m").settings
    assert (settings.method, settings.epochs, settings.batch_size) == ("myow-m", 800, 16)


def test_what_cannot_be_read_or_written_is_one_line(weights, volume, tmp_path, run, capsys):
    run("import", tmp_path / "nowhere.pt", "-o", tmp_path / "m", status=2)
    assert "no file at" in capsys.readouterr().err
    run("import", volume, "-o", tmp_path / "m", status=2)
    assert "must be a file of torch.save with plain tensors" in capsys.readouterr().err
    (tmp_path / "m").mkdir()
    run("import", weights, "-o", tmp_path / "m", status=2)
    assert "--force replaces it" in capsys.readouterr().err
    run("embed", weights, volume, "-o", tmp_path / "e.npz", status=2)
    assert f"`mtneuro-ssl import {weights} -o FOLDER`" in capsys.readouterr().err
