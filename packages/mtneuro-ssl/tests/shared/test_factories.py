import sys
from pathlib import Path

import pytest
from mtneuro_ssl._shared.factories import check_trusted, imported, is_factory, look_here


@pytest.mark.parametrize(
    "name", ["", "make", "nets:", ":make", "..nets:make", "nets:make.it", "nets:a:b", 3, ["a:b"]]
)
def test_other_names_are_no_functions(name):
    assert not is_factory(name)


def test_a_name_in_a_file_passes_only_if_it_is_trusted():
    check_trusted("resnet18", (), where="config.json")
    check_trusted("nets:make", ["nets:make"], where="config.json")
    for trusted in ([], ["nets:make_it"], ["nets"], ["nets:Make"]):
        with pytest.raises(
            ValueError, match=r"^config.json names 'nets:make', code that .* give --trust nets:make"
        ):
            check_trusted("nets:make", trusted, where="config.json")


def test_one_text_is_no_list_of_names():
    with pytest.raises(TypeError, match="must be a list of names, got 'nets:make_it'"):
        check_trusted("nets:make", "nets:make_it", where="config.json")


def test_the_current_folder_is_searched_last_and_only_for_what_was_named(planted):
    before = list(sys.path)
    look_here(["resnet18", None])
    assert sys.path == before
    look_here(["planted.nets:make"])
    assert sys.path == [*before, str(Path.cwd())]
    assert imported("planted.nets:make").__module__ == "planted.nets"
    assert planted()


def test_a_file_in_place_of_a_module_is_told_how_it_is_named(tmp_path, monkeypatch):
    (tmp_path / "nets_of_mine.py").write_text("make = dict")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert imported("nets_of_mine:make") is dict
    with pytest.raises(ImportError, match=r"a module is named without \.py: nets_of_mine:make"):
        imported("nets_of_mine.py:make")
