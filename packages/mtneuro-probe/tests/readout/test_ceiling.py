import numpy as np
import pandas as pd
import pytest
from mtneuro_probe import label_ceiling
from sklearn.metrics import r2_score


def test_the_ceiling_is_what_the_truth_itself_scores():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=4000)
    index = [f"A/z{z}" for z in range(4000)]
    first, second = (
        pd.DataFrame({"cell_count": truth + 0.5 * rng.normal(size=4000)}, index=index) for _ in range(2)
    )
    ceiling = label_ceiling(first, second).loc["cell_count", "r2_ceiling"]
    assert ceiling == pytest.approx(1 / 1.25, abs=0.03)
    assert ceiling == pytest.approx(r2_score(first["cell_count"], truth), abs=0.03)


def test_rows_are_matched_by_id_and_missing_ones_left_out():
    first = pd.DataFrame({"a": [1.0, 2, 3, 4, np.nan], "b": 1.0}, index=list("vwxyz"))
    table = label_ceiling(first, first.iloc[::-1])
    assert table.loc["a"].tolist() == [4, 1]
    assert np.isnan(table.loc["b", "r2_ceiling"])


def test_an_angle_agrees_with_itself_across_its_end():
    index = [f"A/z{z}" for z in range(4)]
    first = pd.DataFrame({"axon_orientation": [1.0, 179.0, 90.0, 91.0]}, index=index)
    second = pd.DataFrame({"axon_orientation": [179.0, 1.0, 91.0, 90.0]}, index=index)
    assert label_ceiling(first, second).loc["axon_orientation", "r2_ceiling"] > 0.99


def test_annotators_who_disagree_leave_nothing_to_reach():
    first = pd.DataFrame({"a": [1.0, 2, 3]}, index=list("xyz"))
    assert label_ceiling(first, -first)["r2_ceiling"].tolist() == [0]


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (pd.DataFrame({"a": [1.0, 2]}, index=list("xz")), "in one only: y, z"),
        (pd.DataFrame({"b": [1.0, 2]}, index=list("xy")), "share a feature"),
    ],
)
def test_annotations_of_other_samples_or_features_are_refused(second, told):
    with pytest.raises(ValueError, match=told):
        label_ceiling(pd.DataFrame({"a": [1.0, 2]}, index=list("xy")), second)


def test_a_sample_that_stands_twice_is_named():
    table = pd.DataFrame({"cell_count": [1.0, 2, 3]}, index=["A/z0", "A/z1", "A/z0"])
    with pytest.raises(ValueError, match="must name each sample once, got twice: A/z0"):
        label_ceiling(table, table)


def test_a_feature_that_is_constant_up_to_rounding_has_no_ceiling():
    ids = [f"A/z{z}" for z in range(4)]
    table = pd.DataFrame({"cell_count": [0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2]}, index=ids)
    assert np.isnan(label_ceiling(table, table)["r2_ceiling"]).all()
