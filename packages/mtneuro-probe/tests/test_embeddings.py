from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mtneuro_probe import Embeddings, load_embeddings, matched, save_embeddings


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
    with pytest.raises(ValueError, match=r"e\.npz is not a readable .*allow_pickle=False"):
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
    with pytest.raises(ValueError, match=r"e\.npz is not a readable \.npz file"):
        load_embeddings(tmp_path / "e.npz")
    with pytest.raises(FileNotFoundError, match="found none"):
        load_embeddings(tmp_path / "none.npz")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path: Path, vectors):
    save_embeddings(tmp_path / "e.npz", vectors, sample_id=IDS)
    with pytest.raises(ValueError, match="finite"):
        save_embeddings(tmp_path / "e.npz", vectors * np.float32(np.nan), sample_id=IDS)
    with pytest.raises(ValueError, match=r"end in \.npz"):
        save_embeddings(tmp_path / "e.npy", vectors, sample_id=IDS)
    np.testing.assert_array_equal(load_embeddings(tmp_path / "e.npz").embeddings, vectors)
    assert len(list(tmp_path.iterdir())) == 1


def test_features_come_in_the_order_of_the_embeddings(vectors):
    table = pd.DataFrame({"cell_count": [1.0, 2.0, 3.0]}, index=IDS[::-1])
    rows = matched(Embeddings(vectors, np.array(IDS)), table)
    assert rows["cell_count"].tolist() == [3.0, 2.0, 1.0]
    assert rows.index.tolist() == IDS


def test_ids_that_do_not_match_are_shown_ten_at_most():
    ids = np.array([f"A/z{z}" for z in range(25)])
    table = pd.DataFrame({"cell_count": np.zeros(3)}, index=["A/z0", "A/z1", "B/z0"])
    with pytest.raises(ValueError) as refused:
        matched(Embeddings(np.zeros((25, 2), np.float32), ids), table)
    assert "23 sample(s) have an embedding but no features: A/z2, " in str(refused.value)
    assert "A/z11, … (23 in all)" in str(refused.value)
    assert "A/z12" not in str(refused.value)
    assert "1 sample(s) have features but no embedding: B/z0" in str(refused.value)


def test_a_sample_twice_in_the_table_is_refused(vectors):
    table = pd.DataFrame({"cell_count": np.zeros(4)}, index=[*IDS, IDS[0]])
    with pytest.raises(ValueError, match="got twice: A-CTX/z110"):
        matched(Embeddings(vectors, np.array(IDS)), table)
