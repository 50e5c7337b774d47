"""Models of the hub are fetched, kept and pinned; what it does not give is told in one line."""

import hashlib
import time
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from mtneuro_ssl._shared.hub import (
    answer_within,
    fetched_folder,
    folder_digest,
    found_folder,
    is_kept,
    parsed_place,
    refusal,
)

MODEL = {"config_json": b"{}", "model_safetensors": b"weights"}


def refused(name: str, kind: type[Exception] = FileNotFoundError) -> str:
    with pytest.raises(kind) as error:
        fetched_folder(name)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_of_a_repository_the_files_of_a_model_are_fetched_and_no_others(hub):
    hub.add(
        "owner/name", **MODEL, history_csv=b"step", run_py=b"raise SystemExit", pickle_pkl=b"", README_md=b"#"
    )
    folder = fetched_folder("owner/name")
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "history.csv",
        "model.safetensors",
    ]
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert not [path for path in hub.asked if "run.py" in path or ".pkl" in path]


def test_a_branch_is_followed_and_a_tag_and_a_commit_stay(hub):
    first = hub.add("owner/name", **MODEL)
    hub.tags["owner/name", "v1"] = 0
    hub.add("owner/name", model_safetensors=b"newer")

    def weights(name: str) -> bytes:
        return (fetched_folder(name) / "model.safetensors").read_bytes()

    assert weights("owner/name") == weights("owner/name@main") == b"newer"
    assert weights("owner/name@v1") == weights(f"owner/name@{first}") == b"weights"
    hub.asked.clear()
    assert weights(f"owner/name@{first}") == b"weights"
    assert not hub.asked, "what is kept of a commit needs no network"


def test_a_digest_pins_a_model_and_is_what_sha256sum_prints(hub, tmp_path):
    hub.add("owner/name", **MODEL)
    digest = folder_digest(fetched_folder("owner/name"))
    table = "".join(
        f"{hashlib.sha256(data).hexdigest()}  {name}\n"
        for name, data in (("config.json", b"{}"), ("model.safetensors", b"weights"))
    )
    assert digest == hashlib.sha256(table.encode()).hexdigest()
    assert fetched_folder(f"owner/name#{digest}") == fetched_folder(f"owner/name@main#{digest}")
    hub.add("owner/name", config_json=b'{"other": 1}')
    told = refused(f"owner/name#{digest}", ValueError)
    assert told.startswith(f"owner/name must hold a model of digest {digest}, got ")
    assert "name its commit too" in told


def test_without_a_network_what_is_kept_is_taken(hub, monkeypatch):
    hub.add("owner/name", **MODEL)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    told = refused("owner/name")
    assert told == (
        "owner/name must be a model folder, or a repository of one that can be fetched: HF_HUB_OFFLINE is "
        "set, and the hub's cache lacks it"
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    folder = fetched_folder("owner/name")
    assert is_kept("owner/name", ["other.json", "config.json"])
    assert not is_kept("owner/name", ["other.json"])
    hub.asked.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetched_folder("owner/name") == folder
    assert not hub.asked
    assert "HF_HUB_OFFLINE" in refused("owner/name@v2"), "of another revision nothing is kept"


def test_a_hub_that_does_not_answer_is_asked_for_a_moment_only(hub, monkeypatch):
    hub.add("owner/name", **MODEL)
    folder = fetched_folder("owner/name")
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "0.3")
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: time.sleep(20))
    started = time.monotonic()
    assert fetched_folder("owner/name") == folder
    told = refused("owner/other")
    assert time.monotonic() - started < 15
    assert told.endswith(
        "the hub does not answer (TimeoutError: no answer within 0.3 s, and HF_HUB_ETAG_TIMEOUT sets more)"
    )


def test_what_the_hub_says_is_told_in_words(hub, monkeypatch):
    hub.add("owner/name", **MODEL)
    hub.add("owner/gated", **MODEL)
    hub.gated.add("owner/gated")
    assert refusal("owner/name") == ""
    assert "the hub has no repository 'owner/absent' that you may read" in refused("owner/absent")
    assert "owner/name has no revision 'v9': name a branch" in refused("owner/name@v9")
    assert "for those who accept its terms" in refused("owner/gated")

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no\nroute")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", broken)
    assert refusal("owner/name") == "the hub does not answer (RuntimeError: no route)"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            {"config_json": b"{}", "pytorch_model.bin": b""},
            (
                "owner/name holds weights as pickle alone (pytorch_model.bin), which can run code and is not "
                "read: ask its owner for a model folder with model.safetensors"
            ),
        ),
        (
            {"README_md": b"", "_gitattributes": b""},
            "owner/name must hold a model folder, config.json and model.safetensors, got README.md",
        ),
        (
            {"_gitattributes": b""},
            "owner/name must hold a model folder, config.json and model.safetensors, got no files",
        ),
        ({"model_safetensors": b"", "a_bin": b""}, "owner/name must hold a model folder, config.json and"),
    ],
)
def test_a_repository_without_a_model_is_told_before_anything_is_fetched(hub, files, told):
    commit: dict[str, bytes] = {
        (name if "." in name else name.replace("_", ".", 1)): data for name, data in files.items()
    }
    hub.repositories["owner/name"] = [commit]
    assert refused("owner/name", ValueError).startswith(told)
    assert not [path for path in hub.asked if "resolve" in path]


@pytest.mark.parametrize(
    "name", ["name", "owner/name/more", "owner/a name", "", "owner/name@", "../name", "a/b#12"]
)
def test_what_is_no_repository_is_refused_without_asking(name, hub):
    assert "must be of the form owner/name, owner/name@REVISION" in refused(name, ValueError)
    assert parsed_place(name) is None
    assert not hub.asked


def test_a_folder_goes_before_a_repository_of_its_name(hub, tmp_path, monkeypatch):
    hub.add("owner/name", **MODEL)
    monkeypatch.chdir(tmp_path)
    assert found_folder(Path("owner/name")) == fetched_folder("owner/name")
    (tmp_path / "owner/name").mkdir(parents=True)
    assert found_folder("owner/name") == Path("owner/name")
    assert found_folder("no/such/folder") == Path("no/such/folder")


def test_an_answer_or_its_error_is_waited_for_a_while():
    assert answer_within(lambda: 3, 20) == 3
    assert isinstance(answer_within(lambda: 1 // 0, 20), ZeroDivisionError)
    assert isinstance(answer_within(lambda: time.sleep(5), 0.05), TimeoutError)
