import os
from pathlib import Path

import pytest
import torch
from mtneuro_ssl._shared.torch_file import check_model_folder, is_torch_file, tensors_of, torch_table
from torch import nn


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_a_table_is_read_with_its_plain_values(tmp_path):
    torch.save({"weight": torch.ones(2), "epoch": 3, "checksum": None}, tmp_path / "w.pt")
    table = torch_table(tmp_path / "w.pt")
    assert (table["epoch"], table["checksum"]) == (3, None)
    assert list(tensors_of(table)) == ["weight"]
    assert is_torch_file(tmp_path / "w.pt")


def test_the_older_layout_of_files_is_read(tmp_path):
    torch.save({"weight": torch.ones(2)}, tmp_path / "w.pt", _use_new_zipfile_serialization=False)
    assert torch_table(tmp_path / "w.pt")["weight"].tolist() == [1, 1]


def test_code_in_a_file_is_refused_and_not_run(tmp_path):
    torch.save({"weight": Evil(tmp_path / "ran")}, tmp_path / "evil.pt")
    torch.save(nn.Linear(1, 1), tmp_path / "module.pt")
    for name in ("evil.pt", "module.pt"):
        with pytest.raises(ValueError, match=rf"{name} must be a file of torch.save with plain tensors"):
            torch_table(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"not a file of torch", b"abc", b"PK\x03\x04" + bytes(40)])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"w\.pt must be a file of torch\.save") as refused:
        torch_table(tmp_path / "w.pt")
    assert "empty list" not in str(refused.value)


def test_a_file_without_a_table_is_refused(tmp_path):
    torch.save(torch.ones(2), tmp_path / "w.pt")
    with pytest.raises(ValueError, match="must hold a table of weights by name, got Tensor"):
        torch_table(tmp_path / "w.pt")
    with pytest.raises(FileNotFoundError, match="check the path"):
        torch_table(tmp_path / "nowhere.pt")


def test_a_file_in_place_of_a_folder_is_answered_with_the_command(tmp_path):
    (tmp_path / "w.pt").touch()
    with pytest.raises(ValueError, match=r"`mtneuro-seg import .*w\.pt -o FOLDER`"):
        check_model_folder(tmp_path / "w.pt", program="mtneuro-seg")
    check_model_folder(tmp_path, program="mtneuro-seg")
