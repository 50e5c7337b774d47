import shutil

import pytest

from mtneuro_suite.execute import handshake
from mtneuro_suite.execute.handshake import check_here, marked, sources
from mtneuro_suite.runs.imports import package_folder


def test_another_output_folder_is_noticed(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    with marked(here) as mark:
        check_here(str(here), mark)
        with pytest.raises(OSError, match="must read and write the output folder"):
            check_here(str(there), mark)


def test_sources_are_the_same_wherever_they_are_installed_and_another_after_an_edit(tmp_path, monkeypatch):
    def installed(package):
        here, there = package_folder(package), tmp_path / package
        if not there.exists():
            shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
        return there

    monkeypatch.setattr(handshake, "package_folder", installed)
    assert sources.__wrapped__() == sources()
    with (tmp_path / "mtneuro_suite" / "steps" / "regions.py").open("a") as file:
        file.write("# edited\n")
    assert sources.__wrapped__() != sources()
