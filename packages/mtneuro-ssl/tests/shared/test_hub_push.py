"""A model is pushed whole, with a complete card, and nothing of anybody's is replaced unasked."""

from typing import Any

import pytest
from huggingface_hub import constants, metadata_load
from mtneuro_ssl._shared.hub import fetched_folder, folder_digest
from mtneuro_ssl._shared.hub_push import CardFields, local_paths, pushed

MIT = CardFields(licence="MIT")
CARD = '---\nlibrary_name: "mtneuro-ssl"\ntags: ["2d"]\n---\n# A model\n\nWhat it is for.\n'


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights" * 100)
    (folder / "README.md").write_text(CARD)
    (folder / "notes.txt").write_text("mine")
    return folder


def refused(kind: type[Exception], *given: Any, **options: Any) -> str:
    with pytest.raises(kind) as error:
        pushed(*given, **options)
    return str(error.value)


def test_what_is_pushed_is_what_is_fetched_and_the_name_pins_it(hub, folder):
    done = pushed(folder, "owner/name", card=MIT)
    assert done.place.repository == "owner/name"
    assert not done.private
    there = fetched_folder(str(done.place))
    for name in ("config.json", "model.safetensors"):
        assert (there / name).read_bytes() == (folder / name).read_bytes()
    assert done.place.digest == folder_digest(folder)
    assert set(hub.repositories["owner/name"][-1]) == {
        ".gitattributes", "README.md", "config.json", "model.safetensors",
    }, "notes beside the model stay at home"  # fmt: skip


def test_a_card_is_complete_and_its_text_stays(hub, folder, tmp_path):
    card = CardFields(
        licence="cc-by-4.0", datasets=("owner/images",), tags=("brain", "2d"), metrics=(("mean_iou", 0.61),)
    )
    pushed(folder, "owner/name", card=card)
    (tmp_path / "card.md").write_bytes(hub.repositories["owner/name"][-1]["README.md"])
    fields: Any = metadata_load(tmp_path / "card.md")
    assert {name: fields[name] for name in ("license", "datasets", "tags", "metrics", "library_name")} == {
        "license": "cc-by-4.0",
        "datasets": ["owner/images"],
        "tags": ["2d", "brain"],
        "metrics": ["mean_iou"],
        "library_name": "mtneuro-ssl",
    }
    assert fields["model-index"][0]["results"][0]["metrics"] == [{"type": "mean_iou", "value": 0.61}]
    assert (tmp_path / "card.md").read_text().endswith("# A model\n\nWhat it is for.\n")
    assert (folder / "README.md").read_text() == CARD
    # Scores that the card states stand beside those that are given.
    (folder / "README.md").write_bytes((tmp_path / "card.md").read_bytes())
    pushed(folder, "owner/other", card=CardFields(metrics=(("f1", 0.7),)))
    (tmp_path / "card.md").write_bytes(hub.repositories["owner/other"][-1]["README.md"])
    fields = metadata_load(tmp_path / "card.md")
    assert [each["metrics"][0]["type"] for each in fields["model-index"][0]["results"]] == ["mean_iou", "f1"]


def test_a_new_repository_is_private_if_asked_and_a_public_one_is_refused_before_any_upload(hub, folder):
    assert pushed(folder, "owner/mine", card=MIT, private=True).private
    assert hub.private == {"owner/mine"}
    hub.add("owner/open", README_md=b"")
    assert "owner/open is public" in refused(PermissionError, folder, "owner/open", card=MIT, private=True)
    assert len(hub.repositories["owner/open"]) == 1


def test_a_model_that_is_there_is_replaced_only_if_asked(hub, folder):
    first = pushed(folder, "owner/name", card=MIT)
    (folder / "model.safetensors").write_bytes(b"newer")
    told = refused(FileExistsError, folder, "owner/name", card=MIT)
    assert "which holds README.md, config.json, model.safetensors; --force (replace=True)" in told
    second = pushed(folder, "owner/name", card=MIT, replace=True, message="Train longer")
    assert second.place.digest != first.place.digest
    assert (fetched_folder("owner/name") / "model.safetensors").read_bytes() == b"newer"
    assert (fetched_folder(str(first.place)) / "model.safetensors").read_bytes() == b"weights" * 100


def test_what_is_missing_is_told_before_the_hub_is_asked(hub, folder, monkeypatch):
    assert "must be pushed to a repository owner/name, got 'name'" in refused(
        ValueError, folder, "name", card=MIT
    )
    told = refused(ValueError, folder, "owner/name", card=CardFields())
    assert told.startswith("a card must state a licence: --licence mit")
    (folder / "README.md").write_text("---\na: [\n---\n# A model\n")
    assert "must begin with YAML" in refused(ValueError, folder, "owner/name", card=MIT)
    (folder / "README.md").unlink()
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert "run `hf auth login`" in refused(PermissionError, folder, "owner/name", card=MIT)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refused(ConnectionError, folder, "owner/name", card=MIT)
    assert not hub.asked


def test_what_the_hub_refuses_is_told(hub, folder, monkeypatch):
    told = refused(PermissionError, folder, "others/name", card=MIT)
    assert told.startswith("the hub refuses a push to others/name: ")

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no\nroute")

    monkeypatch.setattr("huggingface_hub.HfApi.create_commit", broken)
    told = refused(ConnectionError, folder, "owner/name", card=MIT)
    assert told == "a push to owner/name failed: RuntimeError: no route"


def test_files_of_this_machine_that_a_config_names_are_listed():
    assert local_paths({"settings": {"a": "/home/me/x.py:make", "b": "models/x", "c": 3}}) == [
        "a: /home/me/x.py:make"
    ]
    assert local_paths({}) == []
