import numpy as np
import pytest
from mtneuro_probe import load_embeddings

from mtneuro_suite._shared.digests import file_digest
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import GivenEmbeddings


@pytest.fixture
def given(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("sample_id,a,b\nA/z1@x4-12,1,2\nA/z0@x4-12,3,4.5\n")
    return GivenEmbeddings(file=file, digest=file_digest(file))


def ignored(done, total):
    pass


def test_embeddings_of_any_form_are_kept_in_one(given, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    outcome = given.run({}, out, ignored)
    kept = load_embeddings(out / "embeddings.npz")
    assert kept.sample_id.tolist() == ["A/z1@x4-12", "A/z0@x4-12"]
    np.testing.assert_array_equal(kept.embeddings, [[1, 2], [3, 4.5]])
    assert outcome.extra == {"samples": 2, "dimensions": 2}


def test_a_file_names_its_run_by_what_it_holds_and_not_by_where_it_lies(given, tmp_path):
    moved = given.file.rename(tmp_path / "elsewhere.csv")
    name = Run(step=given, title="").id
    assert Run(step=GivenEmbeddings(file=moved, digest=file_digest(moved)), title="").id == name
    moved.write_text(moved.read_text().replace("4.5", "4.6"))
    assert Run(step=GivenEmbeddings(file=moved, digest=file_digest(moved)), title="").id != name


def test_a_file_that_changed_meanwhile_is_not_taken_for_the_one_that_was_checked(given, tmp_path):
    given.file.write_text(given.file.read_text().replace("4.5", "4.6"))
    with pytest.raises(ValueError, match=r"mine\.csv has changed since the suite started"):
        given.run({}, tmp_path, ignored)
