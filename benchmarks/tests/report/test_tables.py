from typing import Any

import pytest

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import Preset, read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.preset.paper import Quoted, table3
from mtneuro_suite.report.tables import Cell, all_tables, region_table, semantics_tables
from mtneuro_suite.runs.row import Row


def row(**changes):
    values: dict[str, Any] = {
        "task": "roi-c1",
        "training_set": "roi-c1:train+val",
        "test_set": "roi-c1:test",
        "model": "byol",
        "seed": 1,
        "metric": "accuracy_corners",
        "class_name": "",
        "value": 0.5,
        "n": 160,
    }
    return Row(**{**values, **changes})


@pytest.fixture(scope="module")
def demo():
    return plan_of(read_preset("demo"))


def cell_of(table, label, column):
    cells = dict(table.rows)[label]
    return cells[table.columns.index(column)]


def test_a_cell_shows_mean_and_sample_sd_over_seeds():
    assert Cell((0.5, 0.7)).ours == "0.60±0.14"
    assert Cell((0.5,)).ours == "0.50"
    assert Cell((), Quoted(0.88, 0.03)).ours == "–"
    assert Cell((), Quoted(0.88, 0.03)).paper == "0.88±0.03"


def test_a_mean_over_too_few_seeds_is_marked():
    assert Cell((0.5, 0.7), expected=3).ours == "0.60±0.14*"
    assert Cell((0.5, 0.7), expected=2).ours == "0.60±0.14"


def test_ours_stand_beside_the_papers(demo):
    table = region_table(demo, [row(value=0.4), row(value=0.6, seed=2)])
    assert cell_of(table, "BYOL", "ROI-C1").ours == "0.50±0.14"
    assert cell_of(table, "BYOL", "ROI-C1").paper == "0.83±0.04"
    assert cell_of(table, "BYOL", "ROI-C2").ours == "–"


def test_supervised_is_scored_on_whole_images_and_the_others_on_corners(demo):
    table = region_table(
        demo,
        [
            row(model="supervised", metric="accuracy_whole", value=0.9),
            row(model="supervised", metric="accuracy_corners", value=0.1),
        ],
    )
    assert cell_of(table, "Supervised", "ROI-C1").ours == "0.90"


def test_mixup_shows_the_probability_with_the_best_mean():
    preset = read_preset("paper").model_dump()
    preset.update(seeds=(1,), task2=None, task3=None)
    plan = plan_of(Preset.model_validate(preset))
    rows = [
        row(model=f"supervised+mixup p={p}", metric="accuracy_whole", value=v)
        for p, v in (("0.1", 0.6), ("0.5", 0.8))
    ]
    table = region_table(plan, rows)
    assert cell_of(table, "Supervised+Mixup (p=0.5)", "ROI-C1").ours == "0.80"


def test_an_undefined_r2_is_a_dash_and_its_reason_a_note(demo):
    undefined = {"value": None, "note": "fewer than 5 samples a feature", "n": 100}
    rows = [row(metric="r2_same_sample", class_name="cell_count", **undefined)]
    same_sample = semantics_tables(demo, rows)[0]
    assert cell_of(same_sample, "BYOL", "cell count").ours == "–"
    assert "–: fewer than 5 samples a feature." in same_sample.notes


def test_the_demo_has_every_table_of_the_paper(demo):
    titles = [table.title for table in all_tables(demo, [])]
    assert [title.split(".")[0] for title in titles] == ["Table 1"] + ["Table 2"] * 4 + ["Table 3"] * 4


def test_a_row_of_ones_own_has_no_number_of_the_papers():
    preset = with_values(
        read_preset("smoke"), ["task1.rows.mine.method=byol", "task1.rows.mine.encoder=resnet50"]
    )
    tables = all_tables(plan_of(preset), [])
    for table in tables:
        for label, cells in table.rows:
            if label == "mine":
                assert all(cell.quoted is None for cell in cells)
    assert sum(label == "mine" for table in tables for label, _ in table.rows) == 3


@pytest.mark.parametrize(
    ("extra", "task", "column"), [("B", "roi-c3[B]", "ROI-C3"), ("D", "roi-c3", "ROI-C3[D]")]
)
def test_the_papers_numbers_stand_beside_every_choice_of_extra_set(extra, task, column):
    plan = plan_of(with_values(read_preset("demo"), [f"task1.extra={extra}"]))
    accuracy = region_table(plan, [row(task=task, training_set="", test_set="", value=0.5)])
    assert cell_of(accuracy, "BYOL", column).ours == "0.50"
    assert cell_of(accuracy, "BYOL", column).paper == "0.97±0.01"
    read = row(task=task, metric="r2_same_sample", class_name="cell_count", value=0.25)
    semantics = next(t for t in semantics_tables(plan, [read]) if f"encoders from {column}:" in t.title)
    assert cell_of(semantics, "BYOL", "cell count").ours == "0.25"
    assert cell_of(semantics, "BYOL", "cell count").quoted == table3("byol", "roi-c3", "cell_count")
