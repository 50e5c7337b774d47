"""The command as a user runs it, on folders of results."""

import csv
import io
import runpy
import sys
from pathlib import Path

import pytest

from mtneuro_suite.report.about import FILE_NAME, About, RegionColumn, read_results
from mtneuro_suite.report.comparison import lines, paired_grid, paper_grids
from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.store import csv_text

COMPARE = Path(__file__).parent.parent / "compare.py"
CAVEAT = "The phantom is not the brain."


def row(model, seed, value, *, task="roi-c1", part="test", metric="accuracy_corners", class_name="", n=800):
    return Row(
        task=task,
        training_set=f"{task}:train",
        test_set=f"{task}:{part}",
        model=model,
        seed=seed,
        metric=metric,
        class_name=class_name,
        value=value,
        n=n,
    )


def written(folder, rows, *, caveat=CAVEAT, downsample=2):
    about = About(
        suite_version="0.1.0",
        name=folder.name,
        caveat=caveat,
        regions={"roi-c1": RegionColumn(paper_column="roi-c1", downsample=downsample)},
        segmentation={"seg-2d-4class": "4class", "seg-3d-4class": "4class"},
        preset={},
        runs=(),
    )
    folder.mkdir(parents=True)
    (folder / "results.csv").write_text(csv_text(rows), encoding="utf-8")
    (folder / FILE_NAME).write_text(about.model_dump_json(), encoding="utf-8")
    return folder


def compared(capsys, monkeypatch, *arguments):
    assert status(monkeypatch, *arguments) == 0
    return capsys.readouterr().out


def refused(capsys, monkeypatch, *arguments):
    assert status(monkeypatch, *arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("uv run benchmarks/compare.py: error: ")
    return line


def status(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["compare.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(COMPARE), run_name="__main__")
    return stopped.value.code


def cells(grid, **key):
    """Return the one row with the values asked for, by column."""
    (found,) = [
        one
        for one in (dict(zip(grid.columns, values, strict=True)) for values in grid.rows)
        if all(one[name] == value for name, value in key.items())
    ]
    return found


def test_results_read_back_are_those_that_were_written(tmp_path):
    rows = [row("byol", 1, 0.5), row("byol", 2, None), row("pca", 1, 0.25, class_name="a, b")]
    (read,) = read_results([written(tmp_path / "demo", rows)])
    assert read.rows == tuple(rows)


def test_ours_stand_beside_the_papers_with_their_interval(tmp_path):
    folder = written(tmp_path / "demo", [row("byol", 1, 0.86), row("byol", 2, 0.90)])
    (grid,) = paper_grids(read_results([folder]))
    found = cells(grid, model="BYOL")
    assert found["mean"] == pytest.approx(0.88)
    assert found["paper"] == 0.88
    # Two numbers 0.04 apart: sd 0.02 sqrt 2, and t at 1 degree of freedom is 12.706.
    assert found["95 % low"] == pytest.approx(0.88 - 12.706 * 0.02, abs=1e-4)
    assert any(CAVEAT in note for note in grid.notes)
    assert found["verdict"] == "not judged"


def test_only_the_papers_volume_and_settings_are_judged(tmp_path):
    rows = [row("byol", 1, 0.90), row("myow", 1, 0.80)]
    folder = written(tmp_path / "paper", rows, caveat="")
    (grid,) = paper_grids(read_results([folder]), tolerance=0.02)
    assert cells(grid, model="BYOL")["verdict"] == "reproduced"
    assert cells(grid, model="MYOW")["verdict"] == "differs"
    assert any("within 0.02" in note for note in grid.notes)


def test_the_papers_number_is_that_of_the_resolution_that_was_run(tmp_path):
    folder = written(tmp_path / "demo", [row("byol", 1, 0.5)], downsample=4)
    (grid,) = paper_grids(read_results([folder]))
    assert cells(grid, model="BYOL")["paper"] == 0.83


def test_the_papers_mixup_stands_beside_the_best_probability_alone(tmp_path):
    rows = [
        row(f"supervised+mixup p={p}", seed, value, metric="accuracy_whole")
        for p, value in (("0.1", 0.6), ("0.5", 0.8))
        for seed in (1, 2)
    ]
    (grid,) = paper_grids(read_results([written(tmp_path / "demo", rows)]))
    assert cells(grid, model="Supervised+Mixup (p=0.5)")["paper"] == 0.90
    assert cells(grid, model="Supervised+Mixup (p=0.1)")["paper"] is None


def test_an_undefined_number_leaves_its_cells_empty(tmp_path):
    (grid,) = paper_grids(read_results([written(tmp_path / "demo", [row("byol", 1, None)])]))
    assert cells(grid, model="BYOL") == {
        "task": "roi-c1", "model": "BYOL", "seeds": 0, "paper": 0.88, "paper sd": 0.02,
    }  # fmt: skip


def test_a_row_of_a_users_own_has_no_papers_number(tmp_path):
    (results,) = read_results([written(tmp_path / "mine", [row("my_package:factory", 1, 0.7)])])
    (line,) = lines(results)
    assert (line.model, line.quoted) == ("my_package:factory", None)


def test_two_rows_are_paired_over_the_seeds_that_both_have(tmp_path):
    rows = [row("byol", seed, 0.8 + seed / 100) for seed in (1, 2, 3)]
    rows += [row("pca", seed, 0.7) for seed in (2, 3, 4)]
    grid = paired_grid(read_results([written(tmp_path / "demo", rows)]), "byol", "pca")
    found = cells(grid, task="roi-c1")
    assert found["seeds"] == 2
    assert found["difference"] == pytest.approx(0.125)
    assert found["p"] == 0.5
    assert any("2 shared seeds are too few" in note for note in grid.notes)


def test_six_seeds_are_enough_to_say_so(tmp_path):
    rows = [
        row(model, seed, base + seed / 100)
        for model, base in (("byol", 0.8), ("pca", 0.7))
        for seed in range(6)
    ]
    grid = paired_grid(read_results([written(tmp_path / "demo", rows)]), "byol", "pca")
    assert cells(grid, task="roi-c1")["p"] == 2 / 64
    assert not any("too few" in note for note in grid.notes)


def test_a_supervised_row_is_paired_as_in_table_1_and_on_corners(tmp_path):
    rows = [
        row("supervised", 1, 0.9, metric="accuracy_whole", n=200),
        row("supervised", 1, 0.5),
        row("byol", 1, 0.8),
    ]
    grid = paired_grid(read_results([written(tmp_path / "demo", rows)]), "byol", "supervised")
    assert cells(grid, metric="accuracy, as Table 1")["difference"] == pytest.approx(-0.1)
    assert cells(grid, metric="accuracy_corners")["difference"] == pytest.approx(0.3)
    assert any("different numbers of samples" in note for note in grid.notes)


def test_networks_of_two_and_three_dimensions_are_paired_in_their_class_setting(tmp_path):
    rows = [
        row(model, 1, value, task=f"seg-{axes}d-4class", metric="f1", class_name="cell")
        for model, axes, value in (("unet", 2, 0.8), ("unet3d", 3, 0.6))
    ]
    grid = paired_grid(read_results([written(tmp_path / "demo", rows)]), "unet", "unet3d")
    assert cells(grid, task="4class")["difference"] == pytest.approx(0.2)


def test_a_model_whose_name_has_a_colon_is_found(tmp_path):
    read = read_results(
        [
            written(tmp_path / name, [row(f"{name}:factory", 1, 0.8), row("pca", 1, 0.5)])
            for name in ("a", "b")
        ]
    )
    for first in ("a:factory", "a:a:factory"):
        grid = paired_grid(read, first, "b:pca")
        assert cells(grid, task="roi-c1")["difference"] == pytest.approx(0.3)


def test_scores_on_validation_stand_apart_from_those_on_test(tmp_path):
    rows = [
        row("unet", 1, value, task="seg-2d-4class", part=part, metric="f1", class_name="cell")
        for part, value in (("val", 0.5), ("test", 0.7))
    ]
    (grid,) = paper_grids(read_results([written(tmp_path / "demo", rows)]))
    assert cells(grid, task="4class validation")["paper"] is None
    assert cells(grid, task="4class")["paper"] == 0.87


def test_two_folders_are_told_apart(tmp_path, capsys, monkeypatch):
    first = written(tmp_path / "a" / "demo", [row("byol", 1, 0.8)])
    written(tmp_path / "a" / "mine", [row("byol", 1, 0.6)])
    out = compared(capsys, monkeypatch, tmp_path / "a", "--rows", "demo:byol", "mine:byol")
    assert "0.200" in out
    line = refused(capsys, monkeypatch, tmp_path / "a", "--rows", "byol", "mine:byol")
    assert "say which: demo:byol or mine:byol" in line
    third = written(tmp_path / "b" / "demo", [row("byol", 1, 0.8)])
    assert [one.name for one in read_results([first, third])] == ["a/demo", "b/demo"]


@pytest.mark.parametrize("form", ["markdown", "latex", "csv"])
def test_every_format_shows_ours_and_the_papers(tmp_path, capsys, monkeypatch, form):
    folder = written(tmp_path / "demo", [row("byol", 1, 0.8125)])
    out = compared(capsys, monkeypatch, folder, "--format", form)
    assert "0.812" in out
    assert "0.88" in out
    compared(capsys, monkeypatch, folder, "--format", form, "-o", tmp_path / "out")
    assert (tmp_path / "out").read_text(encoding="utf-8") == out


def test_csv_holds_the_numbers_in_full(tmp_path, capsys, monkeypatch):
    folder = written(tmp_path / "demo", [row("byol", 1, 1 / 3)])
    (found,) = csv.DictReader(io.StringIO(compared(capsys, monkeypatch, folder, "--format", "csv")))
    assert float(found["mean"]) == 1 / 3


def test_wrong_input_ends_with_one_line(tmp_path, capsys, monkeypatch):
    folder = written(tmp_path / "demo", [row("byol", 1, 0.8), row("unet", 1, 0.8, task="seg-2d-4class")])
    assert "give at least one folder" in refused(capsys, monkeypatch)
    assert "it holds none" in refused(capsys, monkeypatch, tmp_path / "nowhere")
    assert "did you mean 'byol'" in refused(capsys, monkeypatch, folder, "--rows", "byoll", "unet")
    assert "results must be one of demo, got 'x'" in refused(
        capsys, monkeypatch, folder, "--rows", "x:byol", "unet"
    )
    assert "in common" in refused(capsys, monkeypatch, folder, "--rows", "byol", "unet")
    assert "tolerance must be 0 or more" in refused(capsys, monkeypatch, folder, "--tolerance", "-1")
    (folder / FILE_NAME).unlink()
    assert "must hold about.json" in refused(capsys, monkeypatch, folder)
    (folder / FILE_NAME).write_text("{}")
    assert FILE_NAME in refused(capsys, monkeypatch, folder)


def test_a_table_that_is_not_results_is_refused(tmp_path, capsys, monkeypatch):
    folder = written(tmp_path / "demo", [])
    (folder / "results.csv").write_text("task,model\nroi-c1,byol\n")
    assert "and lacks class_name, metric, n" in refused(capsys, monkeypatch, folder)
