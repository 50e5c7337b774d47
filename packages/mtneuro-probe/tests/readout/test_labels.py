from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from mtneuro_probe import feature_readout, label_curve
from mtneuro_probe.readout.labels import labelled_block

FRACTIONS = (0.01, 0.05, 0.1, 0.25, 1.0)


@pytest.fixture
def read() -> tuple[np.ndarray, pd.DataFrame]:
    """Embeddings of 4 cubes of 100 slices, and two features: a line of them with noise, and noise alone."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6)).astype(np.float32)
    ids = [f"{cube}/z{z}" for cube in "ABCD" for z in range(100)]
    line = x @ np.array([1.0, -2, 0.5, 0, 0, 0]) + rng.normal(0, 0.5, 400)
    return x, pd.DataFrame({"cell_count": line, "vessel_density": rng.normal(size=400)}, index=ids)


def test_labelled_slices_are_nested_neighbours_and_every_cube_has_one() -> None:
    cube, z = np.repeat(["A", "B", "C"], [100, 30, 1]), np.r_[0:100, 50:80, 7]
    kept = [labelled_block(cube, z, fraction) for fraction in FRACTIONS]
    assert [[int(mask[cube == name].sum()) for name in "ABC"] for mask in kept] == [
        [1, 1, 1], [5, 2, 1], [10, 3, 1], [25, 8, 1], [100, 30, 1]
    ]  # fmt: skip
    for small, large in pairwise(kept):
        assert not (small & ~large).any()
    for name, first in (("A", 0), ("B", 50)):
        there = z[kept[3] & (cube == name)]
        assert there.tolist() == [*range(first, first + len(there))]


def test_all_corners_of_a_labelled_slice_are_labelled() -> None:
    kept = labelled_block(np.full(40, "A"), np.repeat(np.arange(10), 4), 0.2)
    assert kept.tolist() == [True] * 8 + [False] * 32


def test_all_labels_give_the_score_of_the_readout(read: tuple[np.ndarray, pd.DataFrame]) -> None:
    x, features = read
    curve = label_curve(x, features, [1.0]).set_index("feature")
    whole = feature_readout(x, features, n_bootstrap=0)
    np.testing.assert_allclose(curve["r2"], whole["r2_cross_validated"], rtol=1e-12)
    assert curve["n_samples"].tolist() == [400, 400]


def test_more_labels_read_a_line_better_and_noise_stays_noise(
    read: tuple[np.ndarray, pd.DataFrame],
) -> None:
    curve = label_curve(*read, FRACTIONS).pivot_table(index="fraction", columns="feature", values="r2")
    line = curve["cell_count"].to_numpy()
    assert line[-1] > 0.9
    assert line[0] < line[1] < line[-1]
    assert line[3] > 0.85
    assert curve["vessel_density"].to_numpy().max() < 0.1


def test_what_is_labelled_is_counted_and_the_scored_samples_stay_the_same(
    read: tuple[np.ndarray, pd.DataFrame],
) -> None:
    x, features = read
    features.iloc[:50, 0] = np.nan  # half of the first cube
    curve = label_curve(x, features.filter(items=["cell_count"]), FRACTIONS)
    assert curve["n_samples"].tolist() == [350] * 5
    # A middle split's training slices: 22 of the first cube, and 62 of each other.
    assert curve["n_labelled"].tolist()[:3] == [4, 1 + 3 * 3, 2 + 3 * 6]


def test_one_labelled_slice_says_its_own_value() -> None:
    ids = [f"A/z{z}" for z in range(40)]
    x = np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)
    target = np.arange(40.0)
    curve = label_curve(x, pd.DataFrame({"cell_count": target}, index=ids), [0.01], n_splits=2, gap=2)
    told = np.repeat([21.0, 0.0], 20)  # the first slice beyond the tested block and its gap
    expected = 1 - ((target - told) ** 2).sum() / ((target - target.mean()) ** 2).sum()
    assert curve["r2"].iloc[0] == pytest.approx(expected)
    assert curve["n_labelled"].iloc[0] == 1


def test_a_constant_or_missing_feature_has_a_reason(read: tuple[np.ndarray, pd.DataFrame]) -> None:
    x, features = read
    curve = label_curve(x, features.assign(cell_count=1.0, vessel_density=np.nan), [0.5])
    assert np.isnan(curve["r2"].to_numpy(np.float64)).all()
    assert curve["reason"].tolist() == ["the feature is constant", "the feature is missing in every sample"]


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.5, float("nan")])
def test_a_fraction_out_of_range_is_refused(read: tuple[np.ndarray, pd.DataFrame], fraction: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        label_curve(*read, [fraction])


def test_rows_that_do_not_fit_are_refused(read: tuple[np.ndarray, pd.DataFrame]) -> None:
    x, features = read
    with pytest.raises(ValueError, match="a row a sample, got 399 and 400"):
        label_curve(x[:-1], features, [0.5])
