from pathlib import Path

import numpy as np
import pytest
import zarr
from mtneuro_probe import LinearReadout, feature_map, write_feature_map


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
    (tmp_path / "m.zarr").mkdir()
    with pytest.raises(FileExistsError, match="is there already"):
        write_feature_map(readout, rng.normal(size=(4, 5, 3)), path=tmp_path / "m.zarr", feature="a")


def test_wrong_input_is_refused(rng, readout, tmp_path: Path):
    with pytest.raises(ValueError, match=r"got float64 of shape \(5, 3\)"):
        feature_map(readout, rng.normal(size=(5, 3)))
    with pytest.raises(ValueError, match="must be floats"):
        feature_map(readout, np.zeros((2, 5, 3), int))
    with pytest.raises(ValueError, match="the readout's 3 features, got 4"):
        feature_map(readout, rng.normal(size=(2, 5, 4)))
    with pytest.raises(ValueError, match="fitted to one feature"):
        feature_map(LinearReadout(), rng.normal(size=(2, 5, 3)))
    with pytest.raises(ValueError, match="a length for each of 2 axes"):
        write_feature_map(
            readout, rng.normal(size=(2, 5, 3)), path=tmp_path / "m", feature="a", step_um=(1.0,)
        )
