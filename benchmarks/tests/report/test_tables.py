import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import Preset, read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.preset.paper import Quoted, table3
from mtneuro_suite.report.claims import claims
from mtneuro_suite.report.findings import findings
from mtneuro_suite.report.names import FEATURES
from mtneuro_suite.report.tables import Cell, all_tables, region_table, semantics_tables
from mtneuro_suite.runs.row import Row

WIDE = str(Path(__file__).parents[1] / "wide.toml")


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


@pytest.mark.parametrize(
    ("source", "beside"),
    [("bossdb", True), ("s3://lab/scan", True), ("phantom", False), ("phantom?drift=2", False)],
)
def test_the_papers_numbers_stand_beside_ours_only_for_its_data_or_data_in_its_place(demo, source, beside):
    plan = plan_of(with_values(demo.preset, [f"source={source}"]))
    tables = all_tables(plan, [row(value=0.4)])
    assert len(tables) > 3
    assert any(table.has_paper for table in tables)
    assert all(table.paper_beside == (beside and table.has_paper) for table in tables)


def test_a_row_stands_only_in_the_tables_that_it_is_run_for(demo):
    changes = ['task1.tasks=["roi-c1-3d"]', 'task1.subvolumes.methods=["byol"]', "task2=none"]
    deep = plan_of(with_values(demo.preset, [*changes, 'task3.encoders=["roi-c1-3d"]']))
    tables = all_tables(deep, [])
    assert len(tables) == 3
    for table in tables:
        assert [name for name, _ in table.learnt] == ["BYOL"]
        assert "mean and sd" in [name for name, _ in table.beneath_rule]


def test_tables_say_on_how_many_images_and_cubes_they_rest():
    first, *others = all_tables(plan_of(read_preset(WIDE)), [])
    told = "ROI-C1 12 (4 cubes), ROI-C2 120 (8 cubes), ROI-C3 120 (8 cubes), ROI-C1 in 3D 8 (4 cubes)"
    assert f"Test images: {told}." in first.notes
    four = next(table for table in others if table.title == "Table 2. Microstructure, 4 classes: F1")
    assert "Test images: 30 slices (3 cubes) and 6 subvolumes of 8 slices (3 cubes)." in four.notes


def test_the_papers_numbers_alone_are_in_the_rows_and_columns_that_it_has(demo):
    plan = plan_of(with_values(demo.preset, ["task1.balanced_accuracy=true"]))
    table = region_table(plan, [row(value=0.4)])
    assert table is not None
    assert len(table.columns) == 6
    alone = table.paper
    assert alone.columns == ("ROI-C1", "ROI-C2", "ROI-C3")
    assert [name for name, _ in alone.rows] == ["Supervised", "BYOL", "MYOW", "PCA"]
    assert cell_of(alone, "BYOL", "ROI-C1").ours == "0.83±0.04"


def test_supervised_is_scored_on_whole_images_and_the_others_on_corners(demo):
    table = region_table(
        demo,
        [
            row(model="supervised", metric="accuracy_whole", value=0.9),
            row(model="supervised", metric="accuracy_corners", value=0.1),
        ],
    )
    assert cell_of(table, "Supervised", "ROI-C1").ours == "0.90"


def test_rows_of_clouds_stand_below_the_others_on_whole_images_and_say_what_they_see():
    plan = plan_of(with_values(read_preset("demo"), ["task1.points.labels=unet", "seeds=[1, 2]"]))
    rows = [
        row(model="points", metric="accuracy_whole", value=0.8),
        row(model="points", metric="accuracy_whole", value=0.6, seed=2),
        row(model="points", metric="accuracy_corners", value=0.1),
        row(model="counts", metric="accuracy_whole", value=0.5),
        row(
            model="counts", task="roi-c1", test_set="semantics:all", metric="r2_same_sample",
            class_name="cell_count", value=1.0,
        ),
    ]  # fmt: skip
    table = region_table(plan, rows)
    assert table is not None
    assert [name for name, _ in table.learnt][-2:] == ["points", "counts"]
    assert cell_of(table, "points", "ROI-C1").ours == "0.70±0.14"
    assert cell_of(table, "counts", "ROI-C1").ours == "0.50"  # one seed is all that it has
    assert cell_of(table, "points", "ROI-C1").paper == "–"
    assert any(
        "clouds of objects from the prediction of unet, without a pixel" in note for note in table.notes
    )
    third = semantics_tables(plan, rows)[0]
    assert cell_of(third, "counts", "cell count").ours == "1.00"
    assert any("can be read off them, a ceiling and no result" in note for note in third.notes)


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


def test_floors_stand_last_with_what_has_learnt_nothing_and_are_told(demo):
    for table in (region_table(demo, []), semantics_tables(demo, [])[0]):
        assert table is not None
        assert [name for name, _ in table.learnt] == ["Supervised", "BYOL", "MYOW", "PCA"]
        assert any(note.startswith("Beneath the rule") for note in table.notes)
        names = [name for name, _ in table.beneath_rule]
        assert names[0] == "Untrained"
        assert {"mean and sd", "power spectrum"} < {*names}
        assert ("region alone" in names) == table.title.startswith("Table 3")
    bare = plan_of(
        with_values(demo.preset, ["task1.floors=[]", 'task1.methods=["byol"]', "task1.per_method={}"])
    )
    table = region_table(bare, [])
    assert table is not None
    assert (table.floors, table.beneath_rule) == (0, ())


def test_a_cell_has_the_interval_over_cubes_and_of_several_seeds_over_both_together(demo):
    cubes = [row(value=value, cube=cube) for cube, value in zip("ABC", (0.4, 0.5, 0.6), strict=True)]
    table = region_table(demo, [row(low=0.25, high=0.75), *cubes])
    assert table is not None
    cell = cell_of(table, "BYOL", "ROI-C1")
    assert (cell.mean, cell.interval, cell.beneath) == (0.5, "[.25, .75]", ("[.25, .75]",))
    assert any(note.startswith("In brackets: 95 % interval over cubes, Student's") for note in table.notes)
    seeds = plan_of(with_values(demo.preset, ["seeds=[1, 2]"]))
    again = [replace(one, seed=2, value=(one.value or 0) + 0.04) for one in (row(), *cubes)]
    table = region_table(seeds, [row(), *cubes, *again])
    assert table is not None
    # Squared errors of 0.01 / 3 and 0.0008 / 2, with 2 degrees of freedom and 1.
    error = np.array([0.01 / 3, 0.0004])
    half = t.ppf(0.975, error.sum() ** 2 / (error**2 / [2, 1]).sum()) * error.sum() ** 0.5
    assert cell_of(table, "BYOL", "ROI-C1").ends == pytest.approx((0.52 - half, 0.52 + half))
    assert any(
        note.startswith("In brackets: 95 % interval over cubes and seeds together") for note in table.notes
    )


def test_a_mean_of_classes_has_the_interval_over_the_cubes_of_each(demo):
    key = {
        "task": "seg-2d-3class",
        "test_set": "seg-2d-3class:test",
        "model": "unet",
        "metric": "f1",
        "n": 100,
    }
    rows = [row(**key, value=0.5, class_name="average"), row(**key, value=0.3, class_name="cell")]
    for name, value in (("cell", 0.3), ("vessel", 0.7)):
        rows += [
            row(**key, value=value + by, class_name=name, cube=cube)
            for cube, by in (("A", -0.1), ("B", 0), ("C", 0.1))
        ]
    table = next(one for one in all_tables(demo, rows) if one.title.endswith("F1"))
    assert cell_of(table, "2D U-Net", "average").interval == "[.25, .75]"
    assert cell_of(table, "2D U-Net", "cells").interval == "[.05, .55]"


def test_a_cell_is_the_mean_over_animals_with_their_interval_where_there_are_three(demo):
    def told(count, rows):
        seeds = list(range(1, count + 1))
        plan = plan_of(with_values(read_preset("smoke"), [f"phantom_seeds={seeds}", "seeds=[1, 2]"]))
        (table, *_) = all_tables(plan, rows)
        return cell_of(table, "BYOL", "ROI-C1"), table.notes

    rows = [
        row(value=value + by, seed=seed, animal=str(animal), cube=cube, n=160 if not cube else 40)
        for animal, value in enumerate((0.4, 0.5, 0.6), start=1)
        for seed in (1, 2)
        for cube, by in (("", 0.0), ("A", -0.02), ("B", 0.0), ("C", 0.02))
    ]
    cell, notes = told(3, rows)
    assert (cell.ours, cell.interval) == ("0.50±0.10", "[.25, .75]")
    assert "Means over 3 animals, phantom seeds 1, 2, 3; ± is over them." in notes
    assert any("interval over animals, Student's" in note for note in notes)
    cell, notes = told(2, [one for one in rows if one.animal != "3"])
    # Six cubes of both animals, whose seeds agree.
    half = t.ppf(0.975, 5) * np.std([0.38, 0.4, 0.42, 0.48, 0.5, 0.52], ddof=1) / 6**0.5
    assert cell.ends == pytest.approx((0.45 - half, 0.45 + half))
    assert any("over the cubes of both animals and seeds together" in note for note in notes)
    assert any("Fewer than 3 animals say nothing of how animals vary." in note for note in notes)
    assert told(3, rows[:-4])[0].ours == "0.50±0.10*"


def test_a_cell_has_no_interval_where_a_seed_has_none(demo):
    table = region_table(demo, [row(low=0.4, high=0.6), row(seed=2)])
    assert table is not None
    assert cell_of(table, "BYOL", "ROI-C1").interval == ""
    assert not any("brackets" in note for note in table.notes)


def test_an_r2_stands_above_that_within_regions_and_is_marked_where_chance_does_as_well(demo):
    def r2(metric, value, feature):
        return row(
            metric=metric, value=value, class_name=feature, test_set="semantics:all", low=0.1, high=0.3
        )

    rows = [
        r2("r2_cross_validated", 0.2, "cell_count"),
        r2("r2_cross_validated_within", -0.1, "cell_count"),
        r2("r2_null", 0.2, "cell_count"),
        r2("r2_cross_validated", 0.21, "cell_size"),
        r2("r2_null", 0.2, "cell_size"),
        r2("r2_runs", 30.0, "cell_count"),
        r2("r2_runs", 24.0, "cell_size"),
    ]
    same_sample, table = semantics_tables(demo, rows)[:2]
    cell = cell_of(table, "BYOL", "cell count")
    assert (cell.ours, cell.beneath) == ("0.20°", ("[.10, .30]", "within -0.10"))
    assert cell_of(table, "BYOL", "cell size").ours == "0.21"
    assert sum(note.startswith(("°", "Within", "In brackets")) for note in table.notes) == 3
    assert (
        "No ceiling: the phantom's labels are the exact truth, with which no annotator disagrees."
        in table.notes
    )
    assert not any(note.startswith(("°", "Within")) for note in same_sample.notes)
    assert "Samples a fit: 160, in 24 to 30 runs of neighbouring slices that are alike." in table.notes
    same_sample = semantics_tables(demo, [row(metric="r2_same_sample", class_name="cell_count")])[0]
    assert "Samples a fit: 160." in same_sample.notes
    assert any(note.startswith("No intervals") for note in same_sample.notes)


def test_on_real_tissue_columns_that_were_held_out_take_the_place_of_blocks_of_slices(real_data):
    plan = plan_of(with_values(read_preset("real-sample"), ["task2=none"]), data=real_data)
    key = {
        "test_set": "semantics:all",
        "metric": "r2_held_out",
        "class_name": "cell_count",
        "task": "dyer2017",
    }
    rows = [row(**key, value=0.31, low=-0.1, high=0.72)]
    tables = semantics_tables(plan, rows)
    assert not any("cross-validated" in table.title for table in tables)
    table = next(
        one for one in tables if one.title.endswith("that it was not fitted to") and "dyer2017" in one.title
    )
    cell = cell_of(table, "BYOL", "cell count")
    assert (cell.ours, cell.interval) == ("0.31", "[-.10, .72]")
    assert any("interval over the scored columns, Student's" in note for note in table.notes)
    assert any(note.startswith("Columns are disjoint") for note in table.notes)
    assert any(note.startswith("No ceiling: what two annotators' disagreement") for note in table.notes)
    ceiling = row(**{**key, "model": "annotator", "metric": "r2_ceiling", "task": "semantics"}, value=0.84)
    (table,) = (
        one for one in semantics_tables(plan, [*rows, ceiling]) if "dyer2017: R2 of ridge" in one.title
    )
    assert any("since the samples have one's labels: cell count .84." in note for note in table.notes)
    (found,) = findings(plan, rows)
    assert found == "Not resolved on columns that it has not seen: cell count."
    told = findings(plan, [replace(rows[0], low=0.1)])
    assert told == ["On columns that it has not seen BYOL tells cell count .31 [.10, .72] (R2)."]
    (claim,) = claims(plan, [replace(rows[0], low=0.1)])
    assert (claim.verdict, "neither encoder nor readout saw" in claim.text) == ("reproduced", True)


def test_an_undefined_r2_is_a_dash_and_its_reason_a_note(demo):
    undefined = {"value": None, "note": "fewer than 5 samples a feature", "n": 100}
    rows = [row(metric="r2_same_sample", class_name="cell_count", **undefined)]
    same_sample = semantics_tables(demo, rows)[0]
    assert cell_of(same_sample, "BYOL", "cell count").ours == "–"
    assert "–: fewer than 5 samples a feature." in same_sample.notes


def test_where_an_encoder_is_too_wide_the_score_of_its_components_stands_marked_beside_the_papers(demo):
    undefined = {"value": None, "note": "fewer than 5 samples a feature", "n": 100}
    of_count = {"class_name": "cell_count", "test_set": "semantics:all"}
    rows = [
        row(metric="r2_same_sample", **of_count, **undefined),
        row(metric="r2_same_sample_projected", **of_count, value=0.5, note="9 components of 384 dimensions"),
        row(metric="r2_same_sample", **of_count, model="pca", value=0.25),
    ]
    same_sample, ridge = semantics_tables(demo, rows)[:2]
    cell = cell_of(same_sample, "BYOL", "cell count")
    assert (cell.ours, cell.mean, cell.quoted) == ("0.50†", 0.5, table3("byol", "roi-c1", "cell_count"))
    assert cell_of(same_sample, "PCA", "cell count").ours == "0.25"
    assert any(note.startswith("†: of the embeddings' principal components") for note in same_sample.notes)
    assert not any("fewer than 5" in note for note in same_sample.notes)
    assert cell_of(ridge, "BYOL", "cell count").ours == "–"
    assert not any("†" in note for note in ridge.notes)
    both = [replace(rows[1], seed=seed, value=value) for seed, value in ((1, 0.5), (2, 0.7))]
    assert cell_of(semantics_tables(demo, both)[0], "BYOL", "cell count").ours == "0.60±0.14†"


def test_the_demo_has_every_table_of_the_paper(demo):
    titles = [table.title for table in all_tables(demo, [])]
    assert [title.split(".")[0] for title in titles] == ["Table 1"] + ["Table 2"] * 2 + ["Table 3"] * 4


def test_the_column_of_subvolumes_says_what_its_samples_are_and_has_no_number_of_the_papers():
    plan = plan_of(read_preset(WIDE))
    table = region_table(plan, [row(task="roi-c1-3d", value=0.7), row(value=0.4)])
    assert table is not None
    cell = cell_of(table, "BYOL", "ROI-C1 in 3D")
    assert (cell.ours, cell.quoted) == ("0.70", None)
    assert cell_of(table, "BYOL", "ROI-C1").ours == "0.40"
    assert any(note.startswith("ROI-C1 in 3D: samples are subvolumes of 8 slices") for note in table.notes)


def test_a_half_of_table_3_is_of_subvolumes():
    plan = plan_of(with_values(read_preset(WIDE), ['task3.encoders=["roi-c1", "roi-c1-3d"]']))
    flat, _, deep, _ = semantics_tables(plan, [])
    assert (
        deep.title == "Table 3. Semantics, encoders from ROI-C1 in 3D: R2 on the same samples, as the paper's"
    )
    assert (flat.has_paper, deep.has_paper) == (True, False)
    assert [any("subvolumes of 8 slices" in note for note in one.notes) for one in (flat, deep)] == [
        False,
        True,
    ]


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


def quoted_by_row(table):
    """Return the paper's numbers of a table by row and column; rows that the paper splits stand together."""
    found: dict[str, list[dict[str, Any]]] = {}
    for label, cells in table.rows:
        numbers = {column: cell.quoted for column, cell in zip(table.columns, cells, strict=True)}
        found.setdefault(label.partition(" (")[0], []).append(numbers)
    return found


def transcribed(cells):
    return {name: None if cell is None else _number(cell) for name, cell in cells.items()}


def _number(cell):
    return Quoted(cell["mean"], cell["std"]) if isinstance(cell, dict) else Quoted(cell)


@pytest.fixture(scope="module")
def paper():
    """The tables of the preset ``paper`` without results, by title, and the paper's by name."""
    tables = {table.title: table for table in all_tables(plan_of(read_preset("paper")), [])}
    return tables, json.loads((files("mtneuro_suite.preset") / "paper.json").read_text("utf-8"))


def test_the_paper_preset_has_the_rows_and_numbers_of_tables_1_and_a3(paper):
    tables, printed = paper
    first = quoted_by_row(tables["Table 1. Brain region"])
    third = quoted_by_row(tables["Table A3. Brain region by resolution, ROI-C1"])
    floors = {"Untrained", "mean and sd", "32-bin histogram", "power spectrum"}
    assert set(first) == set(third) == {*printed["table1"], *floors}
    assert not any(number for name in floors for shown in first[name] for number in shown.values())
    names = {"1/4": "downsample4", "1/2": "downsample2", "full": "full"}
    for label in printed["table1"]:
        # With the weight decay that is printed, and with the usual one.
        assert len(first[label]) == len(third[label]) == (2 if label == "Supervised" else 1)
        for ours, resolutions in zip(first[label], third[label], strict=True):
            assert ours == transcribed(printed["table1"][label])
            named = {names[column]: number for column, number in resolutions.items()}
            assert named == transcribed(printed["tableA3"][label])
    labels = [label for label, _ in tables["Table 1. Brain region"].rows]
    assert "Supervised (weight decay 5e-4)" in labels


@pytest.mark.parametrize("setting", ["3", "4"])
@pytest.mark.parametrize("metric", ["F1", "IoU"])
def test_the_paper_preset_has_the_rows_and_numbers_of_table_2(paper, setting, metric):
    tables, printed = paper
    table = tables[f"Table 2. Microstructure, {setting} classes: {metric}"]
    ours = quoted_by_row(table)
    assert set(ours) == set(printed["table2"])
    for label, scores in printed["table2"].items():
        assert len(ours[label]) == (2 if label == "2D U-Net" else 1)
        assert all(row == transcribed(scores[metric][f"{setting}-class"]) for row in ours[label])
    assert "2D U-Net (EfficientNet-b7)" in [label for label, _ in table.rows]


def test_the_paper_preset_has_the_rows_and_numbers_of_table_a4(paper, real_data):
    tables, printed = paper
    source = json.loads((real_data.parent / "paper" / "mtneuro_paper.json").read_text("utf-8"))
    ours = quoted_by_row(tables["Table A4. Settings that the search chose"])
    assert set(ours) == set(printed["table2"])
    for label, halves in source["task2"]["table_A4_best"].items():
        for row in ours[label]:
            for setting in ("3", "4"):
                best = halves[f"{setting}-class"]
                assert row[f"learning rate, {setting} classes"] == Quoted(best["learning_rate"])
                assert row[f"batch, {setting} classes"] == Quoted(best["batch_size"])


@pytest.mark.parametrize("task", ["roi-c1", "roi-c3"])
def test_the_paper_preset_has_the_rows_and_numbers_of_table_3(paper, task):
    tables, printed = paper
    (table,) = (
        table
        for title, table in tables.items()
        if f"encoders from {task.upper()}:" in title and "as the paper's" in title
    )
    ours = quoted_by_row(table)
    assert set(ours) == {
        *printed["table3"][task], "Untrained", "region alone", "mean and sd", "power spectrum",
    }  # fmt: skip
    for label, scores in printed["table3"][task].items():
        expected = {FEATURES[name]: number for name, number in transcribed(scores).items()}
        assert all(row == expected for row in ours[label])


def test_the_original_presets_rows_are_rows_of_the_paper():
    tables = all_tables(plan_of(read_preset("original")), [])
    printed = json.loads((files("mtneuro_suite.preset") / "paper.json").read_text("utf-8"))
    known = {*printed["table1"], *printed["table2"], "Untrained"}
    labels = {table.title.split(".")[0]: [label for label, _ in table.rows] for table in tables}
    assert {label for shown in labels.values() for label in shown} <= known
    # All but mixup, which the published files do not have.
    assert set(labels["Table 1"]) == {*printed["table1"], "Untrained"} - {"Supervised+Mixup"}
    assert labels["Table 2"] == ["2D U-Net", "3D U-Net"]
    assert any("linear stage" in note for table in tables for note in table.notes)


def test_table_a4_shows_what_the_search_chose():
    preset = with_values(read_preset("search"), ['task2.models=["unet"]', "task2.rows={}", "seeds=[1, 2]"])
    key = {"task": "seg-2d-3class", "test_set": "seg-2d-3class:val", "model": "unet"}
    rows = [row(**key, metric="learning_rate", value=0.05), row(**key, metric="batch_size", value=6)]
    (table,) = (table for table in all_tables(plan_of(preset), rows) if table.title.startswith("Table A4"))
    # One search, though the choice is trained with two seeds.
    assert cell_of(table, "2D U-Net", "learning rate, 3 classes").ours == "0.05"
    assert cell_of(table, "2D U-Net", "batch, 3 classes").ours == "6"
    assert cell_of(table, "2D U-Net", "batch, 3 classes").paper == "8"


def test_balanced_accuracy_is_a_second_column_for_each_sub_task_on_request(demo):
    asked = plan_of(with_values(read_preset("demo"), ["task1.balanced_accuracy=true"]))
    rows = [row(value=0.4), row(metric="balanced_accuracy_corners", value=0.3)]
    table = region_table(asked, rows)
    assert cell_of(table, "BYOL", "ROI-C1").ours == "0.40"
    cell = cell_of(table, "BYOL", "ROI-C1, balanced")
    assert (cell.ours, cell.quoted) == ("0.30", None)
    plain = region_table(demo, rows)
    assert plain is not None
    assert "ROI-C1, balanced" not in plain.columns
    # What is shown decides no run.
    assert {run.id for run in asked.runs} == {run.id for run in demo.runs}


def test_accuracy_of_pixels_stands_beside_table_2_on_request(demo):
    settings = ["task2.accuracy=true", 'task2.classes=["3class", "4class"]']
    asked = plan_of(with_values(read_preset("demo"), settings))
    key = {"task": "seg-2d-4class", "test_set": "seg-2d-4class:test", "model": "unet"}
    rows = [row(**key, metric="accuracy", value=0.9), row(**key, metric="balanced_accuracy", value=0.6)]
    tables = {table.title: table for table in all_tables(asked, rows)}
    table = tables["Table 2. Microstructure, 4 classes: accuracy"]
    assert cell_of(table, "2D U-Net", "accuracy").ours == "0.90"
    assert cell_of(table, "2D U-Net", "balanced").ours == "0.60"
    assert cell_of(tables["Table 2. Microstructure, 3 classes: accuracy"], "2D U-Net", "accuracy").ours == "–"
    assert "Table 2. Microstructure, 4 classes: accuracy" not in {t.title for t in all_tables(demo, rows)}


def test_what_is_shown_leaves_the_papers_settings_as_they_are():
    shown = with_values(
        read_preset("paper"),
        ["task1.balanced_accuracy=true", "task2.accuracy=true", "task1.points.labels=truth"],
    )
    assert shown.follows_the_paper == read_preset("paper").follows_the_paper


def test_frozen_encoders_have_a_row_of_table_2_for_each_head_and_no_number_of_the_papers():
    plan = plan_of(with_values(read_preset("smoke"), ['task2.frozen=["byol"]', "task2.accuracy=true"]))
    of_task = {"task": "seg-2d-3class", "test_set": "seg-2d-3class:test", "class_name": "average"}
    tables = all_tables(
        plan,
        [
            row(**of_task, model="byol, linear", metric="f1", value=0.4),
            row(**of_task, model="byol, convolutional", metric="f1", value=None, note="no feature maps"),
        ],
    )
    (f1,) = [table for table in tables if table.title == "Table 2. Microstructure, 3 classes: F1"]
    assert [label for label, _ in f1.rows] == ["2D U-Net", "BYOL, linear", "BYOL, convolutional"]
    found = cell_of(f1, "BYOL, linear", "average")
    assert (found.ours, found.paper) == ("0.40", "–")
    assert cell_of(f1, "BYOL, convolutional", "average").ours == "no feature maps"
    assert any("a head on a frozen encoder of Task 1" in note for note in f1.notes)
    (accuracy,) = [table for table in tables if table.title.endswith("accuracy") and "Table 2" in table.title]
    assert "BYOL, linear" in dict(accuracy.rows)


def test_neighbours_are_a_table_of_each_half_of_table_3_on_request():
    asked = plan_of(with_values(read_preset("smoke"), ["task3.probes=knn"]))
    rows = [
        row(metric=metric, class_name="cell_count", test_set="semantics:all", value=value)
        for metric, value in (("r2_cross_validated", 0.25), ("r2_cross_validated_knn", 0.5))
    ]
    same, ridge, neighbours = semantics_tables(asked, rows)
    assert neighbours.title.endswith(
        "encoders from ROI-C1: R2 of k-NN, cross-validated over blocks of slices"
    )
    assert [cell_of(table, "BYOL", "cell count").ours for table in (same, ridge, neighbours)] == [
        "–",
        "0.25",
        "0.50",
    ]
    assert [any(note.startswith("k-NN:") for note in table.notes) for table in (ridge, neighbours)] == [
        False,
        True,
    ]
    assert not neighbours.has_paper
    assert len(semantics_tables(plan_of(read_preset("smoke")), rows)) == 2


def test_further_probes_are_columns_of_table_1_on_request():
    plan = plan_of(with_values(read_preset("smoke"), ['task1.probes=["knn", "attentive"]']))
    table = region_table(plan, [row(value=0.4), row(value=0.6, metric="accuracy_corners_knn")])
    assert table is not None
    assert table.columns == (
        "ROI-C1", "ROI-C2", "ROI-C1, k-NN", "ROI-C2, k-NN", "ROI-C1, attentive", "ROI-C2, attentive",
    )  # fmt: skip
    assert cell_of(table, "BYOL", "ROI-C1").ours == "0.40"
    assert cell_of(table, "BYOL", "ROI-C1, k-NN").ours == "0.60"
    assert cell_of(table, "BYOL", "ROI-C1, k-NN").paper == "–"
    assert any(note.startswith("k-NN: the most common region") for note in table.notes)


def test_rows_of_embeddings_that_were_given_are_noted_under_tables_1_and_3(demo):
    rows = {"mine": {"embeddings": "mine.npz"}, "other": {"encoder": "resnet50"}}
    assert demo.preset.task1
    preset = demo.preset.model_copy(update={"task1": demo.preset.task1.model_copy(update={"rows": rows})})
    given = [
        replace(run, step=run.step.model_copy(update={"model": "mine"}))
        for run in demo.regions
        if run.step.model == "pca"
    ]
    plan = replace(demo, preset=preset, regions=(*demo.regions, *given))
    first = region_table(plan, [row(model="mine", value=0.75)])
    assert first is not None
    assert cell_of(first, "mine", "ROI-C1").ours == "0.75"
    note = "Embeddings of a file, made elsewhere: mine."
    assert note in first.notes
    assert all(note in table.notes for table in semantics_tables(plan, []))
