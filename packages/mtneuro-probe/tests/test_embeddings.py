from pathlib import Path

import numpy as np
import pytest
from mtneuro_probe import load_embeddings, save_embeddings
from mtneuro_probe.embeddings import check_embeddings


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


IDS = ["A-CTX/z110", "A-CTX/z111", "B-STR/z7/br"]


def test_what_is_saved_is_loaded(tmp_path: Path, vectors):
    save_embeddings(tmp_path / "e.npz", vectors, sample_id=IDS)
    loaded = load_embeddings(tmp_path / "e.npz")
    np.testing.assert_array_equal(loaded.embeddings, vectors)
    assert loaded.sample_id.tolist() == IDS
    assert [path.name for path in tmp_path.iterdir()] == ["e.npz"]


def test_the_file_is_the_format_that_is_written_down(tmp_path: Path, vectors):
    save_embeddings(tmp_path / "e.npz", vectors.astype(np.float64), sample_id=np.array(IDS))
    with np.load(tmp_path / "e.npz", allow_pickle=False) as archive:
        assert sorted(archive.files) == ["embeddings", "format_version", "sample_id"]
        assert archive["format_version"] == np.int64(1)
        assert archive["format_version"].dtype == np.int64
        assert archive["embeddings"].dtype == np.float32
        assert archive["sample_id"].dtype.kind == "U"


def test_a_pickle_is_refused_and_never_loaded(tmp_path: Path, vectors):
    np.savez(
        tmp_path / "e.npz",
        format_version=np.int64(1),
        embeddings=vectors,
        sample_id=np.array(IDS, dtype=object),
    )
    with pytest.raises(ValueError, match=r"e\.npz is not an embeddings file.*allow_pickle=False"):
        load_embeddings(tmp_path / "e.npz")


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"format_version": np.int64(2)}, "format_version 1, got 2"),
        ({"format_version": None}, "format_version"),
        ({"embeddings": np.zeros((3, 4))}, "must be float32, got float64"),
        ({"embeddings": np.zeros((2, 4), np.float32)}, "one id an embedding"),
        ({"embeddings": np.full((3, 4), np.nan, np.float32)}, r"NaN or infinity in 3 row\(s\): 0, 1, 2"),
        ({"sample_id": np.array(["A/z0", "A/z0", "A/z1"])}, "got twice: A/z0"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, vectors, arrays, told):
    good = {"format_version": np.int64(1), "embeddings": vectors, "sample_id": np.array(IDS)}
    kept = {k: np.asarray(v) for k, v in {**good, **arrays}.items() if v is not None}
    np.savez(tmp_path / "e.npz", allow_pickle=False, **kept)
    with pytest.raises(ValueError, match=told):
        load_embeddings(tmp_path / "e.npz")


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path):
    (tmp_path / "e.npz").write_text("not an archive")
    with pytest.raises(ValueError, match=r"e\.npz is not an embeddings file"):
        load_embeddings(tmp_path / "e.npz")


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        load_embeddings(tmp_path / "none.npz")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path: Path, vectors):
    save_embeddings(tmp_path / "e.npz", vectors, sample_id=IDS)
    with pytest.raises(ValueError, match="finite"):
        save_embeddings(tmp_path / "e.npz", vectors * np.float32(np.nan), sample_id=IDS)
    np.testing.assert_array_equal(load_embeddings(tmp_path / "e.npz").embeddings, vectors)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_name_of_another_ending_is_refused(tmp_path: Path, vectors):
    with pytest.raises(ValueError, match=r"end in \.npz"):
        save_embeddings(tmp_path / "e.npy", vectors, sample_id=IDS)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("x", [np.zeros((2, 3), int), np.zeros(3), np.zeros((0, 3))])
def test_embeddings_are_a_matrix_of_floats_that_is_not_empty(x):
    with pytest.raises(ValueError, match=r"a matrix of floats \(samples, features\), got"):
        check_embeddings(x)
