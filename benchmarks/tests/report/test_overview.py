import base64
from typing import Any

import pytest

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.report.overview import MOST_ROWS, overview
from mtneuro_suite.runs.row import Row


@pytest.fixture(scope="module")
def demo():
    return plan_of(read_preset("demo"))


def row(**changes: Any) -> Row:
    values: dict[str, Any] = {
        "task": "roi-c1", "training_set": "train", "test_set": "roi-c1:test", "model": "byol", "seed": 1,
        "metric": "accuracy_corners", "value": 0.91, "n": 48, "low": 0.85, "high": 0.97,
    }  # fmt: skip
    return Row(**{**values, **changes})


def texts(uri):
    return base64.b64decode(uri.partition(";base64,")[2]).decode()


def test_rows_of_table_1_are_drawn_column_by_column_with_their_intervals_and_floors_beneath(demo):
    rows = [row(), row(task="roi-c2[B]", value=0.66), row(model="mean-sd", value=0.35)]
    found = overview(demo, rows)
    assert found is not None
    for svg in map(texts, (found.wide, found.narrow)):
        assert all(f">{text}<" in svg for text in ("ROI-C1", "ROI-C2", "BYOL", "mean and sd", ".91", ".66"))
        assert "MYOW" not in svg  # has no number yet
        assert svg.index(">BYOL<") < svg.index(">mean and sd<")
        assert "currentColor" in svg
    assert found.wide != found.narrow
    assert "ROI-C1 28 (4 cubes)" in found.caption
    assert "Bars: 95 % intervals. Dotted: chance. Beneath the rule: without learning." in found.caption
    bare = overview(demo, [row(low=None, high=None)])
    assert bare is not None
    assert "Bars" not in bare.caption
    assert "rule" not in bare.caption


def test_a_task_that_is_not_run_gives_its_place_to_the_next(demo):
    of_f1 = {"model": "unet", "task": "seg-2d-3class", "test_set": "seg-2d-3class:test", "metric": "f1"}
    rows = [
        row(**of_f1, class_name=name, value=value)
        for name, value in (("background", 0.99), ("vessel", 0.41), ("cell", 0.62), ("average", 0.67))
    ]
    found = overview(demo, rows)
    assert found is not None
    assert found.caption.startswith("Task 2, 3 classes: F1 by class. Test images: 40 slices (4 cubes) and 8")
    svg = texts(found.wide)
    assert svg.index(">average<") < svg.index(">vessels<") < svg.index(">cells<")
    assert "background" not in svg
    assert "Dotted" not in found.caption
    rows = [row(metric="r2_cross_validated", class_name="cell_count", value=-3.0, low=-4.0, high=0.2)]
    found = overview(demo, rows)
    assert found is not None
    assert found.caption.startswith("Task 3. Semantics, encoders from ROI-C1: R2 of ridge")
    assert ">-3.00<" in texts(found.wide).replace("\N{MINUS SIGN}", "-")
    assert overview(demo, []) is None


def test_a_long_table_is_cut_in_the_figure_and_says_so():
    encoders = {f"task1.rows.e{place}": "{like='byol'}" for place in range(MOST_ROWS + 1)}
    changes = ['task1.methods=["byol"]', "task1.per_method={}", "task2=none", "task3=none"]
    plan = plan_of(with_values(read_preset("demo"), [*changes, *(f"{k}={v}" for k, v in encoders.items())]))
    rows = [row(model=name) for name in ("byol", *(f"e{place}" for place in range(MOST_ROWS + 1)))]
    found = overview(plan, [*rows, row(model="mean-sd")])
    assert found is not None
    assert "2 more rows stand in the table." in found.caption
    svg = texts(found.wide)
    assert f">e{MOST_ROWS - 2}<" in svg
    assert f">e{MOST_ROWS - 1}<" not in svg
    assert ">mean and sd<" in svg
