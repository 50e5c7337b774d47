from dataclasses import replace

import pandas as pd
import pytest

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.report.about import FILE_NAME, about, read_about, read_results


def test_what_is_written_is_read_back(tmp_path):
    plan = plan_of(read_preset("smoke"))
    (tmp_path / FILE_NAME).write_text(about(plan).model_dump_json(), encoding="utf-8")
    read = read_about(tmp_path)
    assert read == about(plan)
    assert read.regions["roi-c2[B]"].paper_column == "roi-c2"
    assert read.segmentation["seg-2d-3class"] == "3class"
    assert "not the brain" in read.caveat


def test_every_number_is_of_a_run_that_is_named():
    for name in ("smoke", "search"):
        plan = plan_of(read_preset(name))
        described = about(plan)
        names = {run.id: run for run in plan.runs}
        giving = {run for runs in described.scored.values() for run in runs}
        assert giving <= names.keys()
        rowless = {"arrays", "encoder", "floor", "features", "umap"}
        assert {run.step.kind for one, run in names.items() if one not in giving} <= rowless
    assert {"unet", "highresnet3d"} <= described.scored.keys()


def test_a_file_of_another_version_is_refused(tmp_path):
    (tmp_path / FILE_NAME).write_text('{"about_version": 2}')
    with pytest.raises(ValueError, match=r"about\.json: about_version"):
        read_about(tmp_path)


def test_results_read_back_are_those_that_were_written(tmp_path, row, written):
    rows = [row("byol", 1, 0.5), row("byol", 2, None), row("pca", 1, 0.25, class_name="a, b")]
    rows += [replace(rows[0], low=0.25, high=0.75), replace(rows[0], cube="A-CTX")]
    (read,) = read_results([written(tmp_path / "demo", rows)])
    assert read.rows == tuple(rows)


def test_a_table_without_intervals_and_cubes_of_an_earlier_version_is_read(tmp_path, row, written):
    folder = written(tmp_path / "demo", [row("byol", 1, 0.5)])
    path = folder / "results.csv"
    table = pd.read_csv(path, keep_default_na=False).drop(columns=["low", "high", "cube"])
    table.to_csv(path, index=False)
    (read,) = read_results([folder])
    assert read.rows == (row("byol", 1, 0.5),)


@pytest.mark.parametrize("content", ["{header}\nroi-c1,a,b,byol,1", "{header}\na,b,c,d,x,e,f,g,h,i,j\n"])
def test_a_damaged_table_is_one_line_that_says_how_to_make_it_again(tmp_path, row, written, content):
    folder = written(tmp_path / "demo", [row("byol", 1, 0.5)])
    path = folder / "results.csv"
    path.write_text(content.format(header=path.read_text().splitlines()[0]))
    with pytest.raises(ValueError, match=r"results\.csv is damaged in line \d; run the same `mtneuro"):
        read_results([folder])
