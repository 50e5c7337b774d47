from dataclasses import replace

import pytest

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.report.labels import label_figures
from mtneuro_suite.report.names import model_name

PARTS = "[0.02, 0.5]"


@pytest.fixture(scope="module")
def plan():
    changes = [f"{task}.labels={PARTS}" for task in ("task1", "task2", "task3")]
    return plan_of(with_values(read_preset("smoke"), [*changes, "seeds=[1, 2]"]))


@pytest.fixture
def store(row, told):
    """A few rows of each task, at both parts and with all labels, of two seeds."""
    rows = []
    for part, value in ((", 2 % of labels", 0.3), (", 50 % of labels", 0.6), ("", 0.7)):
        for seed in (1, 2):
            more = value + seed / 100
            rows.append(row("byol", seed, more, task=f"roi-c1{part}"))
            rows.append(replace(rows[-1], value=0.0, cube="A-CTX"))  # is no further seed
            rows.append(row("supervised", seed, more, task=f"roi-c1{part}", metric="accuracy_whole"))
            network = {"task": f"seg-2d-3class{part}", "metric": "f1"}
            rows.append(row("unet", seed, more, class_name="average", **network))
            rows.append(row("unet", seed, 0.01, class_name="cell", **network))
            rows.append(
                row(
                    "byol", seed, more - 2, task=f"roi-c1{part}", metric="r2_cross_validated",
                    class_name="cell_count",
                )
            )  # fmt: skip
    return told(rows)


def test_each_task_has_a_figure_whose_axis_names_the_parts_and_the_images(plan, store, svg):
    regions, networks, features = label_figures(plan, store)
    text = svg(regions)
    # 40 training images of ROI-C1, 10 a cube.
    for tick in ("2 %", "4", "50 %", "20", "100 %"):
        assert f">{tick}</text>" in text
    assert all(f">{name}</text>" in text for name in ("ROI-C1", "BYOL", "Supervised"))
    assert ">PCA</text>" not in text
    assert ">3 classes, 2D</text>" in svg(networks)
    assert f">{model_name('unet')}</text>" in svg(networks)
    assert ">cell count</text>" in svg(features)
    assert ">vessel density</text>" not in svg(features)
    assert [one.caption[:6] for one in (regions, networks, features)] == ["Task 1", "Task 2", "Task 3"]


def test_means_over_seeds_are_drawn_at_their_parts(plan, store, monkeypatch):
    drawn = []
    from matplotlib.axes import Axes

    original = Axes.errorbar

    def noted(axes, x, y, bars, **how):
        drawn.append((x, [round(value, 6) for value in y], [[round(v, 6) for v in side] for side in bars]))
        return original(axes, x, y, bars, **how)

    monkeypatch.setattr(Axes, "errorbar", noted)
    label_figures(plan, store)
    assert drawn[0] == ([0.02, 0.5, 1.0], [0.315, 0.615, 0.715], [[0.005] * 3, [0.005] * 3])


def test_without_parts_or_results_there_is_no_figure(plan, store, told):
    assert label_figures(plan_of(read_preset("smoke")), store) == []
    assert label_figures(plan, told([])) == []
