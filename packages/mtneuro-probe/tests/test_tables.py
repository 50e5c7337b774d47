from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mtneuro_probe._shared import bounds
from mtneuro_probe.tables import load_features, save_table


@pytest.fixture
def table() -> pd.DataFrame:
    numbers = np.random.default_rng(0).random((3, 2))
    numbers[1, 1] = np.nan
    ids = pd.Index(["A/z1", "A/z2", "001"], name="sample_id", dtype=object)
    return pd.DataFrame(numbers, columns=["cell_count", "cell_size"], index=ids)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_saved_is_loaded(tmp_path: Path, table, suffix):
    if suffix == ".parquet" and find_spec("pyarrow") is None:
        pytest.skip("pyarrow is not installed")
    save_table(tmp_path / f"t{suffix}", table)
    loaded = load_features(tmp_path / f"t{suffix}")
    np.testing.assert_array_equal(loaded.to_numpy(), table.to_numpy())
    assert loaded.index.tolist() == table.index.tolist()
    assert [path.name for path in tmp_path.iterdir()] == [f"t{suffix}"]


def test_a_table_of_another_ending_is_refused(tmp_path: Path, table):
    with pytest.raises(ValueError, match=r"end in \.csv or \.parquet, got .*t\.xlsx"):
        save_table(tmp_path / "t.xlsx", table)


def test_a_table_that_is_not_there_is_not_found(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="found none"):
        load_features(tmp_path / "none.csv")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b""])
def test_a_file_that_holds_no_table_is_refused(tmp_path: Path, content):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match="must be a table of features"):
        load_features(tmp_path / "t.csv")


@pytest.mark.skipif(find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_without_its_library_says_what_to_install(tmp_path: Path, table):
    with pytest.raises(ValueError, match=r"install mtneuro-probe\[parquet\]"):
        save_table(tmp_path / "t.parquet", table)
    assert list(tmp_path.iterdir()) == []


def test_a_parquet_that_claims_more_than_memory_is_refused(tmp_path: Path, monkeypatch):
    pytest.importorskip("pyarrow")
    zeros = np.zeros(1_000_000)
    save_table(tmp_path / "t.parquet", pd.DataFrame({"a": zeros}, index=pd.Index(zeros, name="sample_id")))
    monkeypatch.setattr(bounds, "_ALWAYS", 0)
    monkeypatch.setattr(bounds, "memory_at_hand", lambda: 1_000_000)
    assert (tmp_path / "t.parquet").stat().st_size < 1_000_000
    with pytest.raises(ValueError, match=r"t\.parquet must fit into memory, got 16 MB of 1 MB at hand"):
        load_features(tmp_path / "t.parquet")


def test_a_damaged_parquet_is_named(tmp_path: Path, table):
    pytest.importorskip("pyarrow")
    save_table(tmp_path / "t.parquet", table)
    content = bytearray((tmp_path / "t.parquet").read_bytes())
    content[4:60] = bytes(56)
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=r"t\.parquet must be a table of features: "):
        load_features(tmp_path / "t.parquet")
