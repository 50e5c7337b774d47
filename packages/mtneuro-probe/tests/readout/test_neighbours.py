import numpy as np
import pandas as pd
import pytest
from mtneuro_probe import block_splits, neighbour_readout

RNG = np.random.default_rng(0)
IDS = [f"A/z{z}" for z in range(60)]


@pytest.fixture
def ring() -> np.ndarray:
    """Embeddings on a ring, in an order that has nothing to do with the slices'."""
    angle = np.random.default_rng(0).permutation(60) / 60 * 2 * np.pi
    return np.column_stack([np.cos(angle), np.sin(angle)])


def test_predictions_are_the_mean_of_the_nearest_by_cosine_outside_the_gap(ring):
    features = pd.DataFrame({"cell_count": ring[:, 0] * 3 + 1}, index=IDS)
    y, predicted = features["cell_count"].to_numpy(), np.full(60, np.nan)
    for train, test in block_splits(np.full(60, "A"), np.arange(60), n_splits=3, gap=4):
        mean, sd = ring[train].mean(axis=0), ring[train].std(axis=0)
        known, asked = (ring[train] - mean) / sd, (ring[test] - mean) / sd
        cosine = (asked @ known.T) / np.outer(np.linalg.norm(asked, axis=1), np.linalg.norm(known, axis=1))
        predicted[test] = y[train][np.argsort(-cosine, axis=1)[:, :4]].mean(axis=1)
    oracle = 1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    table = neighbour_readout(ring, features, n_neighbors=4, n_splits=3, gap=4)
    assert table.loc["cell_count", "r2_cross_validated"] == pytest.approx(oracle)
    assert oracle > 0.9


def test_noise_is_not_told(ring):
    features = pd.DataFrame({"cell_size": RNG.normal(size=60)}, index=IDS)
    assert neighbour_readout(ring, features, gap=4).loc["cell_size", "r2_cross_validated"] < 0.2


def test_what_is_missing_or_constant_is_left_out_with_a_reason(ring):
    values = ring[:, 0].copy()
    values[:5] = np.nan
    features = pd.DataFrame({"count": values, "same": 1.0, "none": np.nan}, index=IDS)
    table = neighbour_readout(ring, features, gap=4)
    assert table["n_samples"].tolist() == [55, 60, 0]
    assert table["reason"].tolist() == ["", "the feature is constant", "the feature is missing everywhere"]
    assert table["r2_cross_validated"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"n_neighbors": 0}, "n_neighbors must be at least 1, got 0"),
        ({"gap": 100}, "split"),
    ],
)
def test_wrong_values_are_refused(changes, reason, ring):
    features = pd.DataFrame({"count": ring[:, 0]}, index=IDS)
    with pytest.raises(ValueError, match=reason):
        neighbour_readout(ring, features, **changes)
    with pytest.raises(ValueError, match="a row a sample, got 60 and 59"):
        neighbour_readout(ring, features.iloc[1:])
