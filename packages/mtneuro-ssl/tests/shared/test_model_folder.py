import json
import struct
from pathlib import Path

import pytest
import torch
from mtneuro_ssl._shared import bounds
from mtneuro_ssl._shared.model_folder import (
    check_destination,
    read_config,
    read_weights,
    weights_errors_named,
    write_model,
)

CONFIG = {"format_version": 1, "kind": "network"}
WEIGHTS = {"a": torch.arange(6.0).reshape(2, 3)}


def write(folder: Path, **changes: object) -> None:
    write_model(folder, weights=WEIGHTS, config=CONFIG | changes, texts={"history.csv": "step\n1\n"})


def read(folder: Path) -> dict[str, object]:
    return read_config(folder, kinds=("network", "other"), format_version=1)


def test_a_folder_gives_back_what_was_written(tmp_path):
    write(tmp_path / "model", dim=3)
    assert read(tmp_path / "model")["dim"] == 3
    assert torch.equal(read_weights(tmp_path / "model")["a"], WEIGHTS["a"])
    assert (tmp_path / "model" / "history.csv").read_text() == "step\n1\n"


def test_weights_that_are_views_are_written_as_they_look(tmp_path):
    write_model(tmp_path / "model", weights={"a": WEIGHTS["a"].T}, config=CONFIG, texts={})
    assert torch.equal(read_weights(tmp_path / "model")["a"], WEIGHTS["a"].T)


def test_weights_of_a_layer_that_is_used_twice_are_written_under_both_names(tmp_path):
    tied = {"first": WEIGHTS["a"], "second": WEIGHTS["a"], "row": WEIGHTS["a"][1]}
    write_model(tmp_path / "model", weights=tied, config=CONFIG, texts={})
    found = read_weights(tmp_path / "model")
    assert all(torch.equal(found[name], tied[name]) for name in tied)


def test_a_model_takes_the_place_of_another_and_leaves_nothing_beside(tmp_path):
    write(tmp_path / "model", dim=3)
    (tmp_path / "model" / "extra.txt").touch()
    write(tmp_path / "model", dim=4)
    assert read(tmp_path / "model")["dim"] == 4
    assert not (tmp_path / "model" / "extra.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_something_else_is_not_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for place in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(FileExistsError, match="must be a new folder or one that holds a model"):
            write(place)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_an_empty_folder_may_become_a_model(tmp_path):
    check_destination(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_without_one_of_its_files_is_refused(name, tmp_path):
    write(tmp_path / "model")
    (tmp_path / "model" / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"a model folder must hold {name}, found none in"):
        read(tmp_path / "model")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "table"}, "kind 'network' or 'other' and format_version 1, got kind 'table'"),
        ({"format_version": 2}, "got kind 'network' and format_version 2"),
    ],
)
def test_another_kind_or_version_is_refused(changes, message, tmp_path):
    write(tmp_path / "model", **changes)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "model")


@pytest.mark.parametrize(("text", "message"), [("{", "must be JSON"), ("[]", "got kind None")])
def test_a_config_that_is_no_table_is_refused(text, message, tmp_path):
    write(tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "model")


def test_damaged_weights_name_their_file(tmp_path):
    write(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"model\.safetensors must hold the weights of the model"):
        read_weights(tmp_path / "model")


def test_weights_that_do_not_fit_name_their_file():
    with (
        pytest.raises(ValueError, match=r"^a\.safetensors must hold the weights of an encoder, got: .*size"),
        weights_errors_named(Path("a.safetensors"), of="an encoder"),
    ):
        torch.nn.Linear(2, 2).load_state_dict({"weight": torch.zeros(3, 3), "bias": torch.zeros(2)})


@pytest.mark.parametrize("length", [99 << 20, 1 << 40, (1 << 64) - 1])
def test_a_header_longer_than_its_file_is_refused(tmp_path, length):
    write(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", length) + b"{}")
    with pytest.raises(ValueError, match=r"model\.safetensors must hold the weights of .*, got: .*header"):
        read_weights(tmp_path)


def test_weights_that_claim_more_than_their_file_holds_are_refused(tmp_path):
    write(tmp_path)
    claim = {"a": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}}
    header = json.dumps(claim).encode()
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(ValueError, match=r"must hold the weights of .*, got: "):
        read_weights(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_larger_than_memory_is_refused_before_it_is_read(tmp_path, monkeypatch, name):
    write(tmp_path)
    monkeypatch.setattr(bounds, "memory_at_hand", lambda: 10**9)
    with (tmp_path / name).open("r+b") as file:
        file.truncate(10**10)
    with pytest.raises(ValueError, match=r"must fit into memory, got 10\.0 GB of 1\.0 GB at hand"):
        read(tmp_path) if name == "config.json" else read_weights(tmp_path)


def test_a_config_that_nests_without_end_is_refused(tmp_path):
    write(tmp_path)
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="must be JSON"):
        read(tmp_path)


def test_other_files_of_weights_stand_beside_the_models_own(tmp_path):
    others = {"heads.safetensors": {"b": WEIGHTS["a"] + 1}}
    write_model(tmp_path / "model", weights=WEIGHTS, config=CONFIG, texts={}, others=others)
    assert torch.equal(read_weights(tmp_path / "model")["a"], WEIGHTS["a"])
    assert torch.equal(read_weights(tmp_path / "model", "heads.safetensors")["b"], WEIGHTS["a"] + 1)
