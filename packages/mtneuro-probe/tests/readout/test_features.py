import numpy as np
import pandas as pd
import pytest
from mtneuro_probe import (
    FEATURES,
    LinearReadout,
    block_splits,
    feature_predictions,
    feature_readout,
    floor_embeddings,
)
from mtneuro_probe.readout import features as of_features
from mtneuro_probe.readout.linear import cross_validated_predictions
from scipy.signal import lfilter
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def ids(n: int, cubes: str = "A") -> list[str]:
    return [f"{cube}/z{z}" for cube in cubes for z in range(n // len(cubes))]


def smooth(rng: np.random.Generator, n: int, columns: int) -> np.ndarray:
    """Columns that change slowly along the slices, as tissue does."""
    walk = rng.normal(size=(n + 24, columns))
    return np.stack([walk[i : i + 25].mean(axis=0) for i in range(n)])


def test_same_sample_score_is_that_of_scikit_learn(rng):
    x = rng.normal(size=(60, 5)).astype(np.float32)
    table = pd.DataFrame({"cell_count": rng.normal(size=60) + x[:, 1]}, index=ids(60))
    row = feature_readout(x, table, gap=2).iloc[0]
    assert row["r2_same_sample"] == pytest.approx(
        LinearRegression().fit(x.astype(float), table["cell_count"]).score(x, table["cell_count"])
    )
    assert (row["n_samples"], row["n_missing"], row["n_features"], row["reason"]) == (60, 0, 5, "")


def test_the_score_of_wide_embeddings_is_that_of_scikit_learns_components_found_without_the_feature(rng):
    x = (rng.normal(size=(64, 40)) * rng.uniform(1, 9, 40) @ rng.normal(size=(40, 40))).astype(np.float32)
    values = rng.normal(size=64) + x[:, 0] / 20
    holes = np.where(np.arange(64) % 4 == 0, np.nan, values)
    table = pd.DataFrame({"cell_count": values, "cell_size": holes}, index=ids(64))
    scored = feature_readout(x, table, gap=2)
    standard = StandardScaler().fit_transform(x.astype(float))
    there = np.isfinite(holes)
    # A fifth of 64 samples, and of the 48 that have the second feature; both of components of all.
    for name, count, kept in (("cell_count", 12, slice(None)), ("cell_size", 9, there)):
        components = PCA(count, svd_solver="full").fit_transform(standard)[kept]
        expected = LinearRegression().fit(components, values[kept]).score(components, values[kept])
        row = scored.loc[name]
        assert row["r2_same_sample_projected"] == pytest.approx(expected)
        assert (row["n_components"], row["n_features"]) == (count, 40)
        assert np.isnan(row["r2_same_sample"])


def test_narrow_embeddings_have_no_score_of_components(rng):
    table = pd.DataFrame({"cell_count": rng.normal(size=60), "flat": 1.0}, index=ids(60))
    scored = feature_readout(rng.normal(size=(60, 12)), table, gap=2)
    assert scored["r2_same_sample_projected"].isna().tolist() == [True, True]
    assert scored["n_components"].isna().tolist() == [True, True]
    assert np.isfinite(scored.loc["cell_count", "r2_same_sample"])
    # Nor have wide ones of a feature that there is nothing to tell of, or that too few samples have.
    table["rare"] = np.where(np.arange(60) < 4, np.arange(60), np.nan)
    wide = feature_readout(rng.normal(size=(60, 13)), table, gap=2)
    assert wide["r2_same_sample_projected"].isna().tolist() == [False, True, True]


def test_no_more_components_are_taken_than_the_papers_encoders_have_dimensions(rng, monkeypatch):
    assert of_features.MOST_COMPONENTS == 256
    monkeypatch.setattr(of_features, "MOST_COMPONENTS", 7)
    table = pd.DataFrame({"cell_count": rng.normal(size=60)}, index=ids(60))
    assert feature_readout(rng.normal(size=(60, 20)), table, gap=2)["n_components"].tolist() == [7]


def test_cross_validated_score_is_that_of_a_plain_loop(rng):
    x = smooth(rng, 80, 4)
    y = x @ [1.0, -2, 0, 0] + 0.1 * rng.normal(size=80)
    table = pd.DataFrame({"cell_size": y}, index=ids(80, "AB"))
    z, cube = np.tile(np.arange(40), 2), np.repeat(["A", "B"], 40)
    predicted = np.full(80, np.nan)
    for train, test in block_splits(cube, z, n_splits=4, gap=3):
        inner = block_splits(cube[train], z[train], n_splits=4, gap=3)
        predicted[test] = LinearReadout(cv=inner).fit(x[train], y[train]).predict(x[test])
    score = feature_readout(x, table, n_splits=4, gap=3)["r2_cross_validated"].iloc[0]
    assert score == pytest.approx(r2_score(y, predicted))


def test_noise_scores_high_on_the_same_samples_and_nothing_when_cross_validated(rng):
    x = rng.normal(size=(120, 20))
    table = pd.DataFrame({"cell_count": rng.normal(size=120)}, index=ids(120))
    row = feature_readout(x, table).iloc[0]
    assert row["r2_same_sample"] > 0.1
    assert row["r2_cross_validated"] < 0.05


def test_a_copy_of_the_neighbouring_slice_is_no_evidence(rng):
    """An embedding that only remembers where it is scores high when shuffled, not with blocks and a gap."""
    y = smooth(rng, 200, 1)[:, 0]
    place = np.arange(200.0)
    x = np.exp(-((place[:, None] - np.linspace(0, 200, 40)) ** 2) / (2 * 4**2))
    shuffled = rng.permutation(200)
    leaky = cross_validated_predictions(
        x[shuffled], y[shuffled, None], cube=np.full(200, "A"), z=np.arange(200), gap=0
    )[:, 0]
    assert r2_score(y[shuffled], leaky) > 0.8
    honest = feature_readout(x, pd.DataFrame({"cell_size": y}, index=ids(200)), gap=10)
    assert honest["r2_cross_validated"].iloc[0] < 0.2


def test_scores_do_not_depend_on_the_order_of_rows_or_the_scale_of_dimensions(rng):
    x = smooth(rng, 60, 6)
    table = pd.DataFrame({"cell_size": x[:, 2] + 0.05 * rng.normal(size=60)}, index=ids(60))
    scores = ["r2_same_sample", "r2_cross_validated"]
    expected = feature_readout(x, table, gap=4)[scores].to_numpy()
    order = rng.permutation(60)
    moved = feature_readout(100 * x[order] - 3, table.iloc[order], gap=4)[scores].to_numpy()
    np.testing.assert_allclose(moved, expected, rtol=1e-6)


def test_missing_values_leave_out_their_own_feature_only(rng):
    x = rng.normal(size=(60, 3))
    full = rng.normal(size=60)
    holes = np.where(np.arange(60) % 7 == 0, np.nan, full)
    index = ids(60)
    table = feature_readout(x, pd.DataFrame({"a": full, "b": holes}, index=index), gap=2)
    assert table["n_missing"].tolist() == [0, 9]
    there = np.isfinite(holes)
    alone = feature_readout(
        x[there], pd.DataFrame({"b": full[there]}, index=np.array(index)[there].tolist()), gap=2
    )
    assert table.loc["b", "r2_same_sample"] == pytest.approx(alone.loc["b", "r2_same_sample"])
    assert table.loc["b", "r2_cross_validated"] == pytest.approx(alone.loc["b", "r2_cross_validated"])


def test_a_score_that_cannot_be_had_says_why(rng):
    features = pd.DataFrame(
        {"flat": 2.0, "absent": np.nan, "short": rng.normal(size=40), "rare": np.nan}, index=ids(40)
    )
    features.iloc[:3, 3] = [1.0, 2.0, 4.0]
    table = feature_readout(rng.normal(size=(40, 10)), features, gap=2)
    assert np.isnan(table["r2_same_sample"]).all()
    assert table["reason"].tolist() == [
        "the feature is constant",
        "the feature is missing in every sample",
        "same-sample: fewer than 5 samples a feature, near 1 even for noise",
        (
            "same-sample: fewer than 5 samples a feature, near 1 even for noise; "
            "cross-validated: 5 blocks with a gap of 2 need 6 neighbouring slices of a cube where the "
            "feature is there, got 3 slices; lower the gap (--gap) or the blocks (--n-splits)"
        ),
    ]
    assert np.isfinite(table.loc["short", "r2_cross_validated"])


def test_groups_stand_in_where_ids_name_no_slice(rng):
    x = rng.normal(size=(40, 3))
    table = pd.DataFrame({"cell_count": x[:, 0]}, index=[f"sample {i}" for i in range(40)])
    scored = feature_readout(x, table, groups=np.repeat(np.arange(8), 5))
    assert scored["r2_cross_validated"].iloc[0] > 0.99


def test_progress_is_told_after_each_feature(rng):
    seen = []
    table = pd.DataFrame(rng.normal(size=(40, 5)), columns=list(FEATURES), index=ids(40))
    feature_readout(rng.normal(size=(40, 3)), table, gap=2, progress=lambda *at: seen.append(at))
    assert seen == [(i, 5) for i in range(1, 6)]


def test_the_interval_and_the_null_stand_around_a_true_score(rng):
    x = smooth(rng, 200, 5)
    y = x[:, 0] + 0.1 * rng.normal(size=200)
    table = pd.DataFrame({"true": y, "noise": rng.normal(size=200)}, index=ids(200))
    scored = feature_readout(x, table, n_permutations=50)
    true, noise = scored.loc["true"], scored.loc["noise"]
    assert true["r2_null"] < true["r2_low"] < true["r2_cross_validated"] < true["r2_high"]
    # A cube of 200 slices has 19 other turns that are 10 slices apart.
    assert (true["p_value"], true["n_permutations"]) == (pytest.approx(1 / 20), 19)
    assert noise["p_value"] > 0.05
    assert true["interval_reason"] == ""
    assert true["n_runs"] >= 12


def test_two_cubes_have_as_many_permutations_as_are_asked_for(rng):
    x = smooth(rng, 200, 3)
    table = pd.DataFrame({"true": x[:, 0]}, index=ids(200, "AB"))
    scored = feature_readout(x, table, n_permutations=60, n_bootstrap=0).iloc[0]
    assert (scored["p_value"], scored["n_permutations"]) == (pytest.approx(1 / 61), 60)
    assert (scored["n_runs"], scored["interval_reason"]) == (0, "")


def test_the_p_value_of_few_groups_is_bounded_by_their_orders(rng):
    x = rng.normal(size=(20, 2))
    groups = np.repeat(np.arange(4), 5)
    table = pd.DataFrame({"mine": x[:, 0]}, index=[f"s{at}" for at in range(20)])
    scored = feature_readout(x, table, groups=groups, n_splits=4, n_permutations=500).iloc[0]
    assert (scored["p_value"], scored["n_permutations"]) == (pytest.approx(1 / 24), 23)


def test_an_interval_of_too_few_runs_is_not_given_and_says_so(rng):
    x = smooth(rng, 100, 3)
    table = pd.DataFrame({"a": x[:, 0] + 0.5 * smooth(rng, 100, 1)[:, 0]}, index=ids(100))
    told = feature_readout(x, table, run_length=20).iloc[0]
    assert np.isnan(told[["r2_low", "r2_high"]].tolist()).all()
    assert told["interval_reason"] == "5 run(s) of at least 20 slices, and 12 are needed"
    assert (told["n_runs"], told["run_length"], told["reason"]) == (5, 20, "")
    with pytest.raises(ValueError, match="run_length must be at least 1 slice, got 0"):
        feature_readout(x, table, run_length=0)


def test_a_cube_s_own_mean_is_found_or_not_as_the_null_is_asked(rng):
    """An embedding that only tells the cube knows a feature that differs between cubes, and nothing more."""
    cube = np.repeat([0.0, 3.0, 1.0, 2.0], 50)
    x = cube[:, None] + 0.01 * rng.normal(size=(200, 2))
    table = pd.DataFrame({"cell_size": cube + 0.5 * rng.normal(size=200)}, index=ids(200, "ABCD"))
    anywhere = feature_readout(x, table, n_permutations=60, within_cubes=False).iloc[0]
    within = feature_readout(x, table, n_permutations=60).iloc[0]
    assert anywhere["p_value"] < 0.05
    assert within["p_value"] > 0.05


def test_p_values_of_unrelated_features_are_spread_evenly(rng):
    x = smooth(rng, 200, 3)
    table = pd.DataFrame(smooth(rng, 200, 30), columns=[f"f{i}" for i in range(30)], index=ids(200))
    p = feature_readout(x, table, n_permutations=40, n_bootstrap=0)["p_value"].to_numpy()
    assert (p < 0.05).mean() <= 0.2
    assert 0.25 < p.mean() < 0.75


@pytest.mark.slow
@pytest.mark.parametrize("length", [3, 10, 30])
@pytest.mark.parametrize("apart", [0, 2])
def test_unrelated_features_are_rarely_significant_whether_cube_means_differ_or_not(
    length, apart, record_property
):
    """Of embeddings and features with cube means of their own, no two are related within a cube."""
    rng = np.random.default_rng(5)
    kept = np.exp(-1 / length)

    def columns(number: int) -> np.ndarray:
        steps = rng.normal(size=(number, 4, 120)) * np.sqrt(1 - kept**2)
        steps[:, :, 0] = rng.normal(size=(number, 4))
        series = lfilter([1], [1, -kept], steps, axis=2) + apart * rng.normal(size=(number, 4, 1))
        return series.reshape(number, 480).T

    p: list[float] = []
    for _ in range(10):
        table = pd.DataFrame(columns(30), columns=[f"f{at}" for at in range(30)], index=ids(480, "ABCD"))
        p += feature_readout(columns(3), table, n_permutations=60, n_bootstrap=0)["p_value"].tolist()
    found = float(np.mean(np.array(p) <= 0.05))
    record_property(f"rejected of {len(p)}, correlation length {length}, cube means {apart} apart", found)
    # Features of one embedding are not independent: 3 standard errors of a third as many.
    assert found <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)


def test_draws_depend_on_the_seed_alone(rng):
    x = smooth(rng, 60, 3)
    table = pd.DataFrame({"a": smooth(rng, 60, 1)[:, 0], "b": x[:, 0]}, index=ids(60))
    both = feature_readout(x, table, gap=3, n_permutations=10)
    alone = feature_readout(x, table.filter(items=["b"]), gap=3, n_permutations=10)
    pd.testing.assert_series_equal(both.loc["b"], alone.loc["b"])
    undrawn = feature_readout(x, table, gap=3)
    assert undrawn.loc["a", "r2_low"] == pytest.approx(both.loc["a", "r2_low"])
    other = feature_readout(x, table, gap=3, n_permutations=10, seed=1)
    assert other.loc["a", "r2_low"] != both.loc["a", "r2_low"]
    assert other.loc["a", "r2_cross_validated"] == both.loc["a", "r2_cross_validated"]


def test_floors_stand_beside_the_score(rng):
    images = rng.integers(0, 256, size=(60, 8, 8), dtype=np.uint8)
    brightness = images.mean(axis=(1, 2))
    table = pd.DataFrame({"vessel_density": brightness}, index=ids(60))
    scored = feature_readout(
        rng.normal(size=(60, 4)), table, gap=2, floors=floor_embeddings(images, n_components=8)
    )
    assert scored["r2_pixels"].iloc[0] > 0.99
    assert scored["r2_cross_validated"].iloc[0] < scored["r2_pixels"].iloc[0]
    assert "r2_random" in scored.columns
    assert scored.columns[-1] == "reason"


def test_what_tells_the_region_alone_tells_nothing_within_regions(rng):
    region = np.repeat([0, 1, 2], 60)
    level, within = np.array([0.1, 5.7, 9.3])[region], rng.normal(size=180)
    table = pd.DataFrame({"cell_count": level + within, "cell_size": level}, index=ids(180, "ABC"))
    one_hot = np.eye(3)[region]
    alone = feature_readout(one_hot, table, gap=3, regions=region).loc["cell_count"]
    assert alone["r2_cross_validated"] > 0.9
    assert alone["r2_same_sample_within"] == pytest.approx(0, abs=1e-9)
    assert alone["r2_cross_validated_within"] == pytest.approx(0, abs=0.05)
    both = feature_readout(np.column_stack([one_hot, within]), table, gap=3, regions=region)
    assert both.loc["cell_count", "r2_cross_validated_within"] > 0.99
    inside = both.loc["cell_count", ["r2_within_low", "r2_within_high"]].astype(float)
    assert inside.iloc[0] <= both.loc["cell_count", "r2_cross_validated_within"] <= inside.iloc[1]
    # A feature that is one number in each region has nothing to tell there.
    assert np.isnan(both.loc["cell_size", "r2_cross_validated_within"])


@pytest.mark.usefixtures("unchecked")
def test_regions_change_no_other_score(rng):
    x = smooth(rng, 60, 3)
    table = pd.DataFrame({"a": smooth(rng, 60, 1)[:, 0]}, index=ids(60))
    plain = feature_readout(x, table, gap=3, n_permutations=10)
    told = feature_readout(x, table, gap=3, n_permutations=10, regions=np.arange(60) // 30)
    pd.testing.assert_frame_equal(told.filter(items=list(plain.columns)), plain)
    with pytest.raises(ValueError, match=r"regions must be one a sample \(60\), got shape \(3,\)"):
        feature_readout(x, table, gap=3, regions=np.zeros(3, np.int64))


def test_a_second_annotation_sets_a_ceiling(rng):
    x = smooth(rng, 60, 3)
    table = pd.DataFrame({"cell_count": x[:, 0], "cell_size": x[:, 1]}, index=ids(60))
    second = table[["cell_count"]] + 0.01 * rng.normal(size=(60, 1))
    scored = feature_readout(x, table, gap=3, second_annotation=second.iloc[::-1])
    assert 0.5 < scored.loc["cell_count", "r2_ceiling"] < 1
    assert np.isnan(scored.loc["cell_size", "r2_ceiling"])


def test_an_angle_is_read_out_across_its_end(rng):
    turn = np.cumsum(rng.normal(0, 4, size=200)) % 180
    x = np.column_stack([np.cos(np.radians(2 * turn)), np.sin(np.radians(2 * turn)), rng.normal(size=200)])
    scored = feature_readout(x, pd.DataFrame({"axon_orientation": turn}, index=ids(200)))
    assert scored["r2_same_sample"].iloc[0] == pytest.approx(1)
    assert scored["r2_cross_validated"].iloc[0] > 0.99


def test_predictions_are_those_that_are_scored(rng):
    x = smooth(rng, 80, 4)
    y = x[:, 1] + 0.1 * rng.normal(size=80)
    y[::9] = np.nan
    table = pd.DataFrame({"cell_size": y, "flat": 1.0, "axon_orientation": 3.0}, index=ids(80))
    predicted = feature_predictions(x, table, gap=3)
    assert predicted.columns.tolist() == ["cell_size", "flat"]
    assert np.isnan(predicted["flat"]).all()
    there = np.isfinite(y)
    np.testing.assert_array_equal(np.isfinite(predicted["cell_size"]), there)
    score = feature_readout(x, table, gap=3).loc["cell_size", "r2_cross_validated"]
    assert r2_score(y[there], predicted["cell_size"][there]) == pytest.approx(score)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("x", "table", "told"),
    [
        (np.zeros((40, 2)), pd.DataFrame({"a": np.zeros(39)}, index=ids(39)), "got 40 and 39"),
        (np.full((40, 2), np.inf), pd.DataFrame({"a": np.zeros(40)}, index=ids(40)), "NaN or infinity"),
        (np.zeros(40), pd.DataFrame({"a": np.zeros(40)}, index=ids(40)), r"got float64 of shape \(40,\)"),
        (np.zeros((40, 2)), pd.DataFrame({"a": np.zeros(40)}), "sample id must read"),
        (np.zeros((40, 2)), pd.DataFrame(index=ids(40)), "at least one column"),
        (np.zeros((40, 2)), pd.DataFrame({"a": ["x"] * 40}, index=ids(40)), "column of numbers"),
        (np.zeros((40, 2)), pd.DataFrame({"a": np.full(40, np.inf)}, index=ids(40)), "infinity in a"),
        (np.zeros((9, 2)), pd.DataFrame({"a": np.zeros(9)}, index=ids(9)), "at least 2 splits"),
    ],
)
def test_wrong_input_is_refused(x, table, told):
    with pytest.raises(ValueError, match=told):
        feature_readout(x, table)


def test_samples_whose_ids_name_no_slices_are_groups_by_themselves_and_the_log_says_so(caplog):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    table = pd.DataFrame({"mine": x[:, 0] + 0.1 * rng.normal(size=60)}, index=[f"img_{n}" for n in range(60)])
    scores = feature_readout(x, table, n_bootstrap=20)
    assert "the ids name no slices" in caplog.text
    assert "such as 'img_0': each sample is held out and drawn by itself" in caplog.text
    pd.testing.assert_frame_equal(scores, feature_readout(x, table, groups=np.arange(60), n_bootstrap=20))
    mixed = table.set_axis(["A/z0", *table.index[1:]])
    with pytest.raises(ValueError, match=r"a sample id must read .* got 'img_1'"):
        feature_readout(x, mixed)


def test_a_feature_that_is_constant_where_it_is_tested_has_no_score_and_a_reason():
    # Two cubes: only the second varies, and is too shallow to be tested.
    ids = [f"A/z{z}" for z in range(60)] + ["B/z0", "B/z1"]
    x = np.random.default_rng(0).normal(size=(62, 2))
    table = pd.DataFrame({"mine": np.r_[np.ones(60), 2, 3]}, index=ids)
    row = feature_readout(x, table, n_splits=2, gap=2, n_permutations=3).loc["mine"]
    assert not np.isinf(row["r2_cross_validated"])
