import numpy as np
import pandas as pd
import pytest
from mtneuro_probe import load_embeddings, read_embeddings, save_embeddings

NAMES = ["A/z0/tl@x4-ab", "A/z0/tr@x4-ab", "B, or not/z1"]
VECTORS = np.array([[0.1, -3, 7], [0.2, 5, 7], [1e-7, 0, 7]])


@pytest.fixture(params=[".npz", ".csv", ".parquet"])
def written(request, tmp_path):
    """Write embeddings in one of the forms, and return the file."""

    def write(vectors=VECTORS, names=NAMES):
        file = tmp_path / f"mine{request.param}"
        if request.param == ".npz":
            np.savez(file, embeddings=vectors, sample_id=np.array(names))
            return file
        columns = {f"f{i}": column for i, column in enumerate(np.asarray(vectors).T)}
        table = pd.DataFrame({"sample_id": names, **columns})
        if request.param == ".csv":
            table.to_csv(file, index=False)
        else:
            pytest.importorskip("pyarrow")
            table.to_parquet(file, index=False)
        return file

    return write


def test_each_form_holds_the_same_embeddings(written):
    found = read_embeddings(written())
    assert found.sample_id.tolist() == NAMES
    assert found.embeddings.dtype == np.float32
    np.testing.assert_array_equal(found.embeddings, VECTORS.astype(np.float32))


def test_counts_are_embeddings_too(written):
    assert read_embeddings(written(np.eye(3, dtype=np.int64))).embeddings.tolist() == np.eye(3).tolist()


def test_a_file_of_ours_is_read_as_it_is(tmp_path):
    save_embeddings(tmp_path / "e.npz", VECTORS, sample_id=NAMES)
    ours, theirs = load_embeddings(tmp_path / "e.npz"), read_embeddings(tmp_path / "e.npz")
    np.testing.assert_array_equal(ours.embeddings, theirs.embeddings)
    assert ours.sample_id.tolist() == theirs.sample_id.tolist()


def test_names_of_bytes_are_texts(tmp_path):
    np.savez(tmp_path / "e.npz", embeddings=VECTORS[:1], sample_id=np.array([b"A/z0"]))
    assert read_embeddings(tmp_path / "e.npz").sample_id.tolist() == ["A/z0"]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_number_that_is_not_finite_is_told_with_its_sample(written, value):
    wrong = VECTORS.copy()
    wrong[1, 2] = value
    with pytest.raises(ValueError, match=r"must be finite .*in 1 of 3 rows, those of A/z0/tr@x4-ab; embed"):
        read_embeddings(written(wrong))


def test_a_sample_that_is_named_twice_is_told(written):
    with pytest.raises(
        ValueError, match=r"got 1 of them more than once: A/z0/tl@x4-ab; keep one row of each"
    ):
        read_embeddings(written(names=[NAMES[0], NAMES[0], NAMES[2]]))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"embeddings": VECTORS}, r"is not a file of embeddings: .*and lacks sample_id"),
        ({"features": VECTORS}, r"lacks embeddings and sample_id"),
        ({"embeddings": VECTORS[0], "sample_id": NAMES}, r"must be a matrix of numbers .*shape \(3,\)"),
        ({"embeddings": VECTORS[:0], "sample_id": NAMES[:0]}, r"must be a matrix .*shape \(0, 3\)"),
        ({"embeddings": VECTORS * 1j, "sample_id": NAMES}, r"must be a matrix of numbers .*got complex128"),
        ({"embeddings": VECTORS, "sample_id": NAMES[:2]}, r"one sample_id for each row .*got 2 for 3"),
        ({"embeddings": VECTORS, "sample_id": [1, 2, 3]}, r"must be texts .*got int64"),
        ({"embeddings": VECTORS, "sample_id": np.array(NAMES, object)}, r"is not a file of embeddings"),
    ],
)
def test_arrays_of_another_form_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "e.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read_embeddings(tmp_path / "e.npz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,f0\na,1\n", r"must have a column 'sample_id', got id, f0"),
        ("sample_id,f0,f1\na,1,x\nb,2,y\n", r"numbers in every column but sample_id, got others in 'f1'"),
        ('sample_id,f0\na,"1,5"\n', r"got others in 'f0'; leave .*decimal points"),
        ("sample_id\na\n", r"a column for each feature, got none"),
        ("sample_id,f0\n", r"got none|got others in 'f0'"),
        ("", r"must be a file of embeddings"),
    ],
)
def test_tables_of_another_form_are_refused(tmp_path, text, message):
    (tmp_path / "e.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_embeddings(tmp_path / "e.csv")


def test_files_of_another_kind_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.npz, \.csv or \.parquet, got mine\.mat"):
        read_embeddings("mine.mat")
    for ending in (".npz", ".csv"):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            read_embeddings(tmp_path / f"nowhere{ending}")
