"""The command as a user runs it, on folders of results."""

import csv
import io
import runpy
import sys
from pathlib import Path

import pytest

from mtneuro_suite.report.about import FILE_NAME, read_results

COMPARE = Path(__file__).parents[2] / "compare.py"


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


def test_two_folders_are_told_apart(tmp_path, capsys, monkeypatch, row, written):
    first = written(tmp_path / "a" / "demo", [row("byol", 1, 0.8)])
    written(tmp_path / "a" / "mine", [row("byol", 1, 0.6)])
    out = compared(capsys, monkeypatch, tmp_path / "a", "--rows", "demo:byol", "mine:byol")
    assert "0.200" in out
    line = refused(capsys, monkeypatch, tmp_path / "a", "--rows", "byol", "mine:byol")
    assert "say which: demo:byol or mine:byol" in line
    third = written(tmp_path / "b" / "demo", [row("byol", 1, 0.8)])
    assert [one.name for one in read_results([first, third])] == ["a/demo", "b/demo"]


@pytest.mark.parametrize("form", ["markdown", "latex", "csv"])
def test_every_format_shows_ours_and_the_papers(tmp_path, capsys, monkeypatch, form, row, written):
    folder = written(tmp_path / "demo", [row("byol", 1, 0.8125)])
    out = compared(capsys, monkeypatch, folder, "--format", form)
    assert "0.812" in out
    assert "0.88" in out
    compared(capsys, monkeypatch, folder, "--format", form, "-o", tmp_path / "out")
    assert (tmp_path / "out").read_text(encoding="utf-8") == out


def test_csv_holds_the_numbers_in_full(tmp_path, capsys, monkeypatch, row, written):
    folder = written(tmp_path / "demo", [row("byol", 1, 1 / 3)])
    (found,) = csv.DictReader(io.StringIO(compared(capsys, monkeypatch, folder, "--format", "csv")))
    assert float(found["mean"]) == 1 / 3


def test_wrong_input_ends_with_one_line(tmp_path, capsys, monkeypatch, row, written):
    folder = written(tmp_path / "demo", [row("byol", 1, 0.8), row("unet", 1, 0.8, task="seg-2d-4class")])
    assert "give at least one folder" in refused(capsys, monkeypatch)
    assert "it has none" in refused(capsys, monkeypatch, tmp_path / "nowhere")
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


def test_a_table_that_is_not_results_is_refused(tmp_path, capsys, monkeypatch, written):
    folder = written(tmp_path / "demo", [])
    (folder / "results.csv").write_text("task,model\nroi-c1,byol\n")
    assert "and lacks class_name, metric, n" in refused(capsys, monkeypatch, folder)
