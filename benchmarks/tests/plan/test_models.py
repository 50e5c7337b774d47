import json
import sys
from pathlib import Path

import pytest
from mtneuro_ssl import TrainSettings

from mtneuro_suite.plan.models import (
    check_factory,
    check_known,
    folder_digest,
    merged_settings,
    taken_model,
)


def test_of_several_layers_of_settings_the_last_wins():
    settings = merged_settings(TrainSettings, "x", {"steps": 1, "batch_size": 4}, {}, {"steps": 2})
    assert (settings.steps, settings.batch_size) == (2, 4)


def test_a_setting_that_is_not_allowed_is_refused_with_the_place_where_it_stands():
    with pytest.raises(ValueError, match=r"settings of mine: .*'stepps'; did you mean '?steps"):
        merged_settings(TrainSettings, "settings of mine", {"stepps": 1})


def test_a_name_that_is_not_known_is_refused_with_the_nearest():
    check_known("task1.methods", ("byol", "pca"), ("byol", "myow", "pca"))
    with pytest.raises(ValueError, match=r"task1.methods must be one of byol, pca, got 'bio'"):
        check_known("task1.methods", ("pca", "bio"), ("byol", "pca"))


def test_a_factory_is_found_without_being_imported(tmp_path, monkeypatch):
    (tmp_path / "my_networks.py").write_text("def encoder(): ...\nraise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    names = ["my_networks:encoder", "my_networks:encodr", "not_my_networks:encoder"]
    check_factory(names[0], names, where="here")
    assert "my_networks" not in sys.modules
    with pytest.raises(ValueError, match="must name a function in my_networks, which holds no 'encodr'"):
        check_factory(names[1], names, where="here")
    with pytest.raises(ValueError, match=r"'not_my_networks' is not one; run .* or name the file, path/to"):
        check_factory(names[2], names, where="here")


def test_a_factory_in_a_file_is_found_without_being_imported(tmp_path):
    file = tmp_path / "nets.py"
    file.write_text("def encoder(): ...\nraise RuntimeError('imported')\n")
    names = [f"{file}:encoder", f"{file}:encodr", f"{tmp_path}/net.py:encoder"]
    check_factory(names[0], names, where="here")
    with pytest.raises(ValueError, match=r"must name a function in .*/nets.py, which holds no 'encodr'"):
        check_factory(names[1], names, where="here")
    with pytest.raises(ValueError, match=r"must name a function in a file, and there is no file .*/net.py"):
        check_factory(names[2], names, where="here")
    with pytest.raises(ValueError, match=r"^here names .*nets.py:encoder', code that would be imported"):
        check_factory(names[0], ["nets:encoder"], where="here")


def test_the_packages_around_a_factory_that_is_not_trusted_are_not_imported(planted, monkeypatch):
    monkeypatch.syspath_prepend(Path.cwd())
    with pytest.raises(
        ValueError, match=r"^here names 'planted.nets:make', code that .* --trust planted.nets:make"
    ):
        check_factory("planted.nets:make", ["planted:make"], where="here")
    assert not planted()
    check_factory("planted.nets:make", ["planted.nets:make"], where="here")


@pytest.fixture
def folder(tmp_path):
    """What looks like the folder of a model."""
    (tmp_path / "config.json").write_text(json.dumps({"settings": {"method": "pca", "components": 3}}))
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_other_weights_or_settings_are_another_model(folder):
    digests = {folder_digest(folder)}
    (folder / "history.csv").touch()
    assert folder_digest(folder) in digests
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text(f"another {name}")
        digests.add(folder_digest(folder))
    assert len(digests) == 3


def test_a_taken_model_comes_with_the_settings_that_it_was_trained_with(folder):
    taken, settings = taken_model(folder, TrainSettings)
    assert (taken.folder, taken.digest) == (folder, folder_digest(folder))
    assert (settings.method, settings.components) == ("pca", 3)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_of_a_model_is_refused(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"must hold {name}, got .* without it"):
        taken_model(folder, TrainSettings)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_config_without_settings_is_refused(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json must hold the settings of a model"):
        taken_model(folder, TrainSettings)
