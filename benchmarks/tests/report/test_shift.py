import pytest

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.report.shift import retention, shift_figures

PLACES = '["phantom?drift=0", "phantom?drift=2", "phantom?seed=7"]'


@pytest.fixture(scope="module")
def plan():
    changes = [f"{task}.also_test={PLACES}" for task in ("task1", "task2")]
    return plan_of(with_values(read_preset("smoke"), [*changes, "seeds=[1, 2]"]))


@pytest.fixture
def store(row, told):
    """BYOL and a U-Net, at home and elsewhere, of two seeds."""
    rows = []
    scores = {"": 0.8, " on phantom?drift=0": 0.88, " on phantom?drift=2": 0.4, " on phantom?seed=7": 0.6}
    for place, value in scores.items():
        for seed, more in ((1, -0.05), (2, 0.05)):
            rows.append(row("byol", seed, value + more, task=f"roi-c1{place}"))
            rows.append(row("mean-sd", seed, value / 4, task=f"roi-c1{place}"))
            rows.append(
                row("unet", seed, value / 2, task=f"seg-2d-3class{place}", metric="f1", class_name="average")
            )
            rows.append(row("unet", seed, 0.1, task=f"seg-2d-3class{place}", metric="f1", class_name="cell"))
    return told(rows)


def test_the_matrix_has_scores_and_retention_and_a_dial_has_a_curve(plan, store, svg):
    regions, dial, networks, dial_of_networks = shift_figures(plan, store)
    text = svg(regions)
    for shown in (
        "0.80",
        "0.88",
        "110%",
        "0.40",
        "50%",
        "0.60",
        "75%",
        "BYOL",
        "ROI-C1",
        "home",
        "mean and sd",
        "0.22",
    ):
        assert f">{shown}</text>" in text
    assert "ROI-C2" not in text  # it has no result yet
    assert ">0.20</text>" in svg(networks)
    assert "trained at 1" in dial.caption
    assert "drift" in dial.caption
    assert ">drift</text>" in svg(dial)
    assert dial_of_networks.caption.startswith("Task 2: mean F1")


def test_a_dials_curve_goes_through_home_in_the_order_of_its_values(plan, store, monkeypatch):
    from matplotlib.axes import Axes

    drawn, original = [], Axes.plot

    def noted(axes, x, y, **how):
        drawn.append(([float(v) for v in x], [round(float(v), 6) for v in y]))
        return original(axes, x, y, **how)

    monkeypatch.setattr(Axes, "plot", noted)
    shift_figures(plan, store)
    assert ([0.0, 1.0, 2.0], [0.88, 0.8, 0.4]) in drawn


def test_without_other_data_or_results_there_is_no_figure(plan, store, told):
    assert shift_figures(plan_of(read_preset("smoke")), store) == []
    assert shift_figures(plan, told([])) == []


def test_what_scores_nothing_at_home_retains_nothing_that_can_be_said():
    assert retention({"home": 0.0, "b": 0.5}) == {}
