import sys
from pathlib import Path

import pytest
from mtneuro_ssl._shared.factories import (
    check_trusted,
    imported,
    is_factory,
    look_here,
    module_of,
    whole_name,
)


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


@pytest.fixture
def in_file(tmp_path, monkeypatch):
    """Write a module to a file that Python does not find, and return the name of a function in it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def written(text, name="my nets.py", folder="somewhere"):
        file = tmp_path / folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return f"{file}:make"

    yield written
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_file_is_imported_by_its_path_whatever_it_is_called(in_file, monkeypatch):
    first = in_file("count = 0\ndef make(): return 'first'", name="json.py")
    second = in_file("def make(): return 'second'", name="json.py", folder="elsewhere")
    assert is_factory(first)
    assert (imported(first)(), imported(second)()) == ("first", "second")
    assert sys.modules["json"].__name__ == "json"
    # Once in a process, as any module, and by its path from any folder.
    monkeypatch.chdir(Path(first.rpartition(":")[0]).parent)
    assert imported("json.py:make") is imported(first)
    assert whole_name("json.py:make") == first
    assert module_of("./json.py:make") == first.removesuffix(":make")


def test_a_file_may_import_those_beside_it_and_hides_no_other_module(in_file):
    in_file("def made(): return 'beside'", name="beside_my_nets.py")
    in_file("raise RuntimeError('imported')", name="wave.py")
    name = in_file("import wave\nfrom beside_my_nets import made\ndef make(): return made(), wave.open")
    said, opened = imported(name)()
    assert said == "beside"
    assert opened.__module__ == "wave"


def test_a_file_whose_import_fails_can_be_mended_and_imported_again(in_file):
    broken = in_file("import no_such_module\ndef make(): ...")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        imported(broken)
    in_file("def make(): return 'mended'")
    assert imported(broken)() == "mended"


def test_a_file_that_is_not_there_is_told_with_its_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImportError, match=rf"there is no file {tmp_path}/nets\.py; check the path"):
        imported("nets.py:make")


def test_a_file_is_trusted_by_any_path_to_it_and_no_folder_is_searched_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_trusted(f"{tmp_path}/nets.py:make", ["./nets.py:make"], where="config.json")
    with pytest.raises(
        ValueError, match=rf"names '{tmp_path}/nets.py:make', code .* give --trust {tmp_path}"
    ):
        check_trusted(f"{tmp_path}/nets.py:make", ["nets:make", "other/nets.py:make"], where="config.json")
    before = list(sys.path)
    look_here(["nets.py:make"])
    assert sys.path == before
