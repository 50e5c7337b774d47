from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from mtneuro_probe import LinearReadout, feature_map, fit_readout, fitted_readout, write_feature_map
from mtneuro_probe.readout.maps import fraction_outside


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def readout(rng: np.random.Generator) -> LinearReadout:
    x = rng.normal(size=(40, 3))
    return LinearReadout(alphas=(0.0,)).fit(x, 2 * x[:, 0] - x[:, 2] + 5)


def test_a_map_is_the_readout_at_every_place(rng, readout):
    embeddings = rng.normal(size=(4, 5, 6, 3)).astype(np.float32)
    values = feature_map(readout, embeddings)
    assert values.shape == (4, 5, 6)
    np.testing.assert_allclose(values, 2 * embeddings[..., 0] - embeddings[..., 2] + 5, rtol=1e-4, atol=1e-4)


def test_where_there_is_no_embedding_there_is_no_feature(rng, readout):
    embeddings = rng.normal(size=(4, 5, 3))
    embeddings[1, 2, 0] = np.nan
    embeddings[3] = np.nan
    missing = np.isnan(feature_map(readout, embeddings))
    assert missing[1, 2]
    assert missing[3].all()
    assert missing.sum() == 6


def test_a_zarr_is_mapped_piece_by_piece_to_a_zarr(rng, readout, tmp_path: Path, monkeypatch):
    embeddings = rng.normal(size=(10, 4, 5, 3)).astype(np.float32)
    source = zarr.create_array(str(tmp_path / "e.zarr"), shape=(10, 4, 5, 3), chunks=(2, 4, 5, 3), dtype="f4")
    source[...] = embeddings
    monkeypatch.setattr("mtneuro_probe.readout.maps._VALUES_AT_ONCE", 4 * 4 * 5 * 3)
    seen: list[tuple[int, int]] = []
    write_feature_map(
        readout,
        source,
        path=tmp_path / "map.zarr",
        feature="cell_count",
        unit="cells",
        step_um=(1.17, 10.0, 10.0),
        progress=lambda done, total: seen.append((done, total)),
    )
    written = zarr.open_array(str(tmp_path / "map.zarr"), mode="r")
    np.testing.assert_array_equal(np.asarray(written[...]), feature_map(readout, embeddings))
    assert written.attrs.asdict() == {
        "feature": "cell_count",
        "unit": "cells",
        "voxel_size_um": [1.17, 10.0, 10.0],
    }
    assert seen == [(4, 10), (8, 10), (10, 10)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.zarr", "map.zarr"]


def test_nothing_half_written_is_left(rng, readout, tmp_path: Path):
    def stopped(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_feature_map(
            readout, rng.normal(size=(4, 5, 3)), path=tmp_path / "m.zarr", feature="a", progress=stopped
        )
    assert list(tmp_path.iterdir()) == []


def test_a_map_takes_the_place_of_nothing(rng, readout, tmp_path: Path):
    (tmp_path / "m.zarr").mkdir()
    places = rng.normal(size=(4, 5, 3))
    for replace in (False, True):
        with pytest.raises(FileExistsError, match=r"must be written to a new place, got .*, which exists$"):
            write_feature_map(readout, places, path=tmp_path / "m.zarr", feature="a", replace=replace)


def test_another_map_of_a_feature_is_replaced_where_that_is_asked_for(rng, readout, tmp_path: Path):
    places, path = rng.normal(size=(4, 5, 3)), tmp_path / "m.zarr"
    write_feature_map(readout, places, path=path, feature="a")
    with pytest.raises(FileExistsError, match=r"--force \(replace=True\) replaces it"):
        write_feature_map(readout, places, path=path, feature="b")
    write_feature_map(readout, places, path=path, feature="b", replace=True)
    assert zarr.open_array(path, mode="r").attrs["feature"] == "b"


def test_a_step_has_a_length_for_each_axis(rng, readout, tmp_path: Path):
    with pytest.raises(ValueError, match="a length for each of 2 axes"):
        write_feature_map(
            readout, rng.normal(size=(2, 5, 3)), path=tmp_path / "m", feature="a", step_um=(1.0,)
        )


@pytest.mark.parametrize(
    ("embeddings", "told"),
    [
        (np.zeros((5, 3)), r"got float64 of shape \(5, 3\)"),
        (np.zeros((2, 5, 3), int), "must be floats"),
        (np.zeros((2, 5, 4)), "the readout's 3 features, got 4"),
    ],
)
def test_what_is_no_map_of_the_readout_s_embeddings_is_refused(readout, embeddings, told):
    with pytest.raises(ValueError, match=told):
        feature_map(readout, embeddings)


def test_a_readout_that_is_not_fitted_is_refused():
    with pytest.raises(ValueError, match="fitted to one feature"):
        feature_map(LinearReadout(), np.zeros((2, 5, 3)))


@pytest.fixture
def samples(rng: np.random.Generator) -> tuple[np.ndarray, pd.DataFrame]:
    """Embeddings of 60 slices, and features of them."""
    x = rng.normal(size=(60, 3))
    table = pd.DataFrame(
        {"cell_count": x[:, 1] + 3, "axon_orientation": 10 * x[:, 0], "flat": 2.0, "absent": np.nan},
        index=[f"A/z{z}" for z in range(60)],
    )
    return x, table


def test_a_readout_is_fitted_to_the_samples_that_have_the_feature(samples):
    x, table = samples
    table.iloc[::7, 0] = np.nan
    there = table["cell_count"].notna().to_numpy()
    fitted = fit_readout(x, table, feature="cell_count", gap=2)
    np.testing.assert_allclose(fitted.predict(x[there]), table["cell_count"][there], atol=0.02)


@pytest.mark.parametrize(
    ("feature", "told"),
    [
        ("cell_size", r"a column of the table \(cell_count, .*\), got 'cell_size'"),
        ("axon_orientation", "an angle cannot be read out by a line"),
        ("flat", "must differ between samples"),
        ("absent", "must differ between samples"),
    ],
)
def test_a_feature_that_no_line_reads_out_is_refused(samples, feature, told):
    x, table = samples
    with pytest.raises(ValueError, match=told):
        fit_readout(x, table, feature=feature)


def test_the_older_name_names_the_new_one(samples):
    x, table = samples
    with pytest.warns(DeprecationWarning, match="fitted_readout is now fit_readout"):
        older = fitted_readout(x, table, feature="cell_count")
    np.testing.assert_array_equal(older.coef_, fit_readout(x, table, feature="cell_count").coef_)


def test_places_outside_the_samples_range_are_counted_among_the_known():
    values = np.array([[1.0, 5.0], [np.nan, 2.0]])
    assert fraction_outside(values, np.array([1.0, 3.0, np.nan])) == 1 / 3
    assert np.isnan(fraction_outside(np.full((2, 2), np.nan), np.array([1.0])))
