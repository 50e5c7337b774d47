"""Settings: the strict model, files, and changes."""

import json
from typing import ClassVar, Literal

import pytest
from mtneuro_data._shared import bounds
from mtneuro_data._shared.settings import Settings, changed_values, read_values, settings_list
from pydantic import ValidationError


class Training(Settings):
    epochs: int = 5


def test_an_unknown_key_names_the_nearest():
    with pytest.raises(ValidationError, match="did you mean 'epochs'"):
        Training.model_validate({"epohcs": 3})


def test_settings_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Training().epochs = 3  # pyright: ignore[reportAttributeAccessIssue]


def test_toml_and_json_say_the_same(tmp_path):
    (tmp_path / "a.toml").write_text('epochs = 3\nsteps = "none"\n[views]\nflip = 0.5\n')
    (tmp_path / "a.json").write_text(json.dumps({"epochs": 3, "steps": None, "views": {"flip": 0.5}}))
    assert read_values(tmp_path / "a.toml") == read_values(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.yaml", "", "must end in .toml or .json"),
        ("a.toml", "epochs 3", "must be TOML"),
        ("a.json", "[1]", "a table"),
        pytest.param("a.json", "[" * 100_000, "must be JSON", id="nested too deep"),
    ],
)
def test_what_is_no_settings_file_is_refused(tmp_path, name, text, told):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=told):
        read_values(tmp_path / name)


def test_a_missing_settings_file_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file at"):
        read_values(tmp_path / "a.toml")


def test_a_change_leaves_the_given_values_as_they_are():
    values = {"views": {"flip": 1}}
    assert changed_values(values, ["views.flip=0.5"]) == {"views": {"flip": 0.5}}
    assert values == {"views": {"flip": 1}}


@pytest.mark.parametrize("change", ["epochs", "=5", "views..flip=1"])
def test_a_change_of_another_form_is_refused(change):
    with pytest.raises(ValueError, match="--set takes key=value"):
        changed_values({}, [change])


class Views(Settings):
    flip: bool = False
    """Mirror some."""


class Nested(Settings):
    steps: int | None = None
    """Steps of
    the optimiser."""

    betas: tuple[float, float] = (0.9, 0.99)

    device: Literal["auto", "cpu"] | None = None
    """Where to train."""

    views: Views = Views()


def test_settings_are_listed_as_set_takes_them_with_their_meanings():
    assert settings_list(Nested).splitlines() == [
        "- `steps=none`: Steps of the optimiser.",
        "- `betas=[0.9, 0.99]`: ",
        "- `device=none`: Where to train. One of auto, cpu.",
        "- `views.flip=false`: Mirror some.",
    ]


def test_a_setting_that_was_renamed_is_read_by_its_old_name():
    class Renamed(Settings):
        renamed: ClassVar = {"rounds": "epochs"}
        epochs: int = 5

    assert Renamed.model_validate({"rounds": 7}).epochs == 7


def test_a_file_larger_than_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "memory_at_hand", lambda: 10**9)
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(10**10)
    with pytest.raises(ValueError, match=r"a\.json must fit into memory, got 10\.0 GB of 1\.0 GB at hand"):
        read_values(tmp_path / "a.json")
