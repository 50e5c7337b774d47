"""The model's folder: whole or not there, and refused when it is something else."""

import json

import numpy as np
import pytest
import torch
from mtneuro_seg import Model, TrainSettings, build_network, load_model
from mtneuro_seg.model import check_images


@pytest.fixture
def model() -> Model:
    settings = TrainSettings(model="unet", classes=3, filters=2, levels=2)
    history = ({"epoch": 1, "step": 4, "loss": 0.5, "val_loss": float("nan")},)
    return Model(
        network=build_network(settings).eval(),
        settings=settings,
        class_names=("background", "vessels", "cells"),
        history=history,
    )


def test_a_saved_model_is_loaded_as_it_was(model, tmp_path):
    model.save(tmp_path / "deep" / "model")
    loaded = load_model(tmp_path / "deep" / "model")
    assert loaded.settings == model.settings
    assert loaded.class_names == model.class_names
    assert loaded.history[0]["loss"] == 0.5
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, loaded.network.state_dict()[name])
    assert not loaded.network.training


@pytest.mark.parametrize("shape", [(4, 1, 16, 16), (4, 3, 16, 16), (4, 16, 16, 3), (16, 16, 3)])
def test_channels_are_not_taken_for_slices(shape):
    images = np.zeros(shape, np.uint8)
    with pytest.raises(ValueError, match=r"looks like \(.*channel.*take one channel"):
        check_images(images, TrainSettings(model="unet"))


def test_a_3d_network_takes_subvolumes_of_three_slices():
    check_images(np.zeros((4, 3, 16, 16), np.uint8), TrainSettings(model="unet3d"))


def test_all_files_can_be_read_by_whom_the_users_mask_allows(model, tmp_path):
    model.save(tmp_path / "model")
    (tmp_path / "plain").touch()
    (tmp_path / "folder").mkdir()
    assert (tmp_path / "model").stat().st_mode == (tmp_path / "folder").stat().st_mode
    plain = (tmp_path / "plain").stat().st_mode
    assert {path.name: path.stat().st_mode for path in (tmp_path / "model").iterdir()} == dict.fromkeys(
        ("model.safetensors", "config.json", "README.md", "history.csv"), plain
    )


def test_saving_again_replaces_the_folder_and_leaves_nothing_beside(model, tmp_path):
    model.save(tmp_path / "model")
    model.save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_saving_on_a_full_disk_keeps_the_earlier_folder(model, tmp_path, fill):
    model.save(tmp_path / "model")
    fill(100)
    with pytest.raises(OSError, match="no file may grow that large here"):
        model.save(tmp_path / "model")
    fill(float("inf"))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert load_model(tmp_path / "model").settings == model.settings


def test_weights_of_an_encoder_are_never_downloaded_on_loading(tmp_path):
    settings = TrainSettings(model="fpn", classes=3, encoder_name="mobilenet_v2", encoder_weights=None)
    network = build_network(settings)
    told = settings.model_copy(update={"encoder_weights": "imagenet"})
    Model(network=network, settings=told, class_names=("a", "b", "c")).save(tmp_path / "model")
    assert load_model(tmp_path / "model").settings.encoder_weights == "imagenet"


def test_a_vnetlight_of_before_there_were_activations_is_read_with_its_own(tmp_path):
    settings = TrainSettings(model="vnetlight", activation="elu", classes=3)
    Model(network=build_network(settings), settings=settings, class_names=("a", "b", "c")).save(
        tmp_path / "m"
    )
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    for key in ("activation", "norm", "padding", "upsampling"):
        del config["settings"][key]
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    assert load_model(tmp_path / "m").settings.activation == "elu"


def test_code_that_a_folder_names_is_not_imported_unless_it_is_trusted(tmp_path):
    settings = TrainSettings(model="no_such_module:make", classes=2)
    Model(network=torch.nn.Identity(), settings=settings, class_names=("a", "b")).save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"config.json names 'no_such_module:make', code .* trusted="):
        load_model(tmp_path / "model")
    with pytest.raises(ValueError, match="must name something that can be imported"):
        load_model(tmp_path / "model", trusted=["no_such_module:make"])


def test_saving_over_something_else_is_refused(model, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="must be a new folder or one that holds a model"):
        model.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_missing_files_are_named(model, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must hold config\.json"):
        load_model(tmp_path)
    model.save(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"must hold model\.safetensors"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "recipe"}, "must be of kind 'mtneuro-seg model'"),
        ({"format_version": 9}, "got kind 'mtneuro-seg model' and format_version 9"),
        ({"settings": {"modle": "unet"}}, "got 'modle'; did you mean 'model'"),
        ({"settings": {"model": "unet", "filters": 4, "levels": 2}}, "must hold the weights of 'unet'"),
    ],
)
def test_a_config_of_something_else_is_refused(model, tmp_path, change, message):
    model.save(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        load_model(tmp_path / "model")


def test_damaged_weights_are_refused(model, tmp_path):
    model.save(tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ValueError, match="must hold the weights"):
        load_model(tmp_path / "model")


def test_the_first_weights_follow_from_the_seed_and_leave_the_callers_state_alone():
    before = torch.get_rng_state()
    first, again, other = (
        build_network(TrainSettings(model="unet", filters=2, levels=2, seed=seed)) for seed in (1, 1, 2)
    )
    pairs = zip(first.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(next(first.parameters()), next(other.parameters()))
    assert torch.equal(before, torch.get_rng_state())
