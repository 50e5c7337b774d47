"""Models that come with a package are found by name, pinned by their digest, and listed."""

import json

import pytest
from mtneuro_ssl._shared import released
from mtneuro_ssl._shared.hub import folder_digest, found_folder


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Return a folder of released models that holds one, ``cells``."""
    folder = tmp_path / "released" / "cells"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights" * 200_000)
    about = {"version": 3, "digest": folder_digest(folder), "about": "finds cells", "made_by": "make cells"}
    (tmp_path / "released" / "models.json").write_text(json.dumps({"cells": about}))
    monkeypatch.setattr(released, "FOLDER", tmp_path / "released")
    released.released_models.cache_clear()
    yield folder
    released.released_models.cache_clear()


def test_a_model_is_found_by_its_name(shelf):
    assert found_folder("cells") == shelf


def test_a_folder_goes_before_a_model_of_its_name(shelf, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells").mkdir()
    assert found_folder("cells").resolve() == tmp_path / "cells" != shelf


def test_a_model_whose_files_were_changed_is_refused(shelf):
    (shelf / "config.json").write_text('{"kind": "another"}')
    with pytest.raises(ValueError, match=r"cells in .* must have the digest .*install the package again"):
        found_folder("cells")


def test_a_misspelt_name_is_told(shelf):
    with pytest.raises(FileNotFoundError, match=r"must be one of cells, got 'celss'; did you mean 'cells'"):
        found_folder("celss")


def test_the_list_has_version_size_digest_and_how_it_is_remade(shelf):
    _, first, second = released.listing()
    digest = folder_digest(shelf)[:12]
    assert first.split() == ["cells", "3", "1.4", "MB", digest, "finds", "cells"]
    assert second.strip() == "remade by `make cells`"


def test_a_package_may_come_without_models(tmp_path, monkeypatch):
    monkeypatch.setattr(released, "FOLDER", tmp_path)
    released.released_models.cache_clear()
    assert released.released_models() == {}
    assert str(found_folder("cells")) == "cells"
    released.released_models.cache_clear()
