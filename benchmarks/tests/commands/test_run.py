"""The command as a user runs it: help, wrong input, and interruption."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from mtneuro_suite import cli
from mtneuro_suite.commands import run as command
from mtneuro_suite.execute.progress import Display, Tally
from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.report.html import write_report
from mtneuro_suite.steps import Arrays

RUN_ALL = Path(__file__).parents[2] / "run_all.py"


def refusal(capsys, *arguments):
    """Return the one line that wrong input ends with, having checked the exit status."""
    sys.argv = ["mtneuro", "run", *arguments]
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_an_encoder_of_ones_own_is_tried_where_runs_are_only_listed(capsys, monkeypatch, tmp_path):
    asked = ("--preset", "smoke", "--encoder", "timm:resnet18x:random", "--output", str(tmp_path / "out"))
    line = refusal(capsys, *asked)
    assert "must name a model that timm knows; nearest: resnet18" in line
    monkeypatch.setattr(sys, "argv", ["mtneuro", "run", *asked, "--list"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 0
    listed = capsys.readouterr()
    assert "timm:resnet18x" in listed.out
    told = " ".join(listed.err.split())
    assert told == line.replace("mtneuro: error:", "cannot be run:")
    assert not (tmp_path / "out").exists()


@pytest.fixture(autouse=True)
def _argv(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["mtneuro"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "demoo"], "got 'demoo'; did you mean 'demo'?"),
        (["--presett", "demo"], "--presett"),
        (["--workers", "-1"], "workers must be 0 or more, got -1"),
        (["--workers", "many"], "many"),
        (["--tls", "certificates"], "names the certificates of a --scheduler"),
        (["--scheduler", "tls://127.0.0.1:9", "--tls", "nowhere"], "key.pem, found no nowhere/ca.pem"),
        (["--source", "nowhere"], "source must be phantom, bossdb"),
        (["--source", "phantom?shape=8,8,8"], "8"),
        (["--preset", "real-sample"], "give their folder with --data"),
        (["--preset", "real-sample", "--data", "nowhere"], "image_z159.png is missing"),
        (["--seeds", "1", "--seeds", "1"], "seeds must be distinct"),
        (["--phantom-seeds", "1", "1"], "phantom_seeds must be named once each, got [1, 1]"),
        (["--phantom-seeds", "-1"], "-1"),
        (["--phantom-seeds", "1", "--source", "bossdb"], "animals of the source phantom, got 'bossdb'"),
        (["--phantom-seeds", "1", "--source", "phantom?seed=2"], "leave seed out of the source"),
        (["--phantom-seeds", "1", "--preset", "real-sample"], "got inputs 'real-sample': leave them out"),
        (["--phantom-seeds", "1", "2", "--export-images", "x"], "leave --phantom-seeds out"),
        (["--preset", "smoke", "--embeddings", "nowhere.npz"], "there is no file 'nowhere.npz'"),
        (["--preset", "smoke", "--export-png"], "the form of --export-images FOLDER: give that too"),
        (["--preset", "smoke", "--export-images", "x", "--only", "y"], "leave --only out"),
        (
            ["--preset", "smoke", "--set", "task1=none", "--set", "task3=none", "--export-images", "x"],
            "--export-images needs a preset with encoders",
        ),
    ],
)
def test_wrong_input_ends_with_one_line_and_status_2_before_anything_is_written(
    capsys, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    line = refusal(capsys, *arguments)
    assert line.startswith("mtneuro: error: ")
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_a_log_whose_package_is_missing_is_refused_before_anything_is_written(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    line = refusal(capsys, "--preset", "smoke", "--log", "wandb", "--output", str(tmp_path / "out"))
    assert "pip install 'mtneuro-ssl[wandb]'" in line
    assert list(tmp_path.iterdir()) == []


def test_a_scheduler_without_tls_is_warned_of(capsys, caplog, monkeypatch):
    monkeypatch.setattr("mtneuro_suite.execute.cluster.ANSWER_WITHIN", 0.5)
    line = refusal(capsys, "--preset", "smoke", "--scheduler", "tcp://127.0.0.1:9", "--list")
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in line
    assert [one.levelname for one in caplog.records] == ["WARNING"]
    assert "whoever reaches that port" in caplog.text


def test_a_database_out_of_reach_is_refused_before_any_work(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("INTERN_HOST", "127.0.0.1:9")
    monkeypatch.setenv("INTERN_PROTOCOL", "http")
    monkeypatch.setenv("MTNEURO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    line = refusal(capsys, "--preset", "smoke", "--source", "bossdb")
    assert "127.0.0.1:9" in line
    assert not (tmp_path / "results").exists()


def test_an_output_that_is_a_file_is_refused(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    line = refusal(capsys, "--preset", "smoke", "--output", str(tmp_path / "file"))
    assert "output must be a folder that can be written, got" in line


@pytest.mark.timeout(120)
def test_an_interruption_while_the_workers_start_is_not_lost(tmp_path):
    process = start(tmp_path)
    while not (tmp_path / "runs").exists():
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "run the same command again" in err


def test_a_disk_that_is_full_ends_with_names_and_status_1(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        sys, "argv", ["mtneuro", "run", *["--preset", "smoke", "--workers", "0", "--output"], str(tmp_path)]
    )

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "x"))

    monkeypatch.setattr("mtneuro_suite.execute.engine.execute", full)
    monkeypatch.setattr("mtneuro_suite.report.html.written_beside", full)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 1
    captured = capsys.readouterr()
    assert "Table 1" in captured.out
    assert "failed: images" in captured.err
    assert "No space left on device: " in captured.err


def start(output):
    environment = {**os.environ, "PYTHONWARNINGS": "default"}
    command = [sys.executable, str(RUN_ALL), "--preset", "smoke", "--workers", "2", "--output", str(output)]
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_damaged_result_is_listed_named_and_made_again_by_the_next_start(tmp_path, monkeypatch, capsys):
    def told(*more):
        monkeypatch.setattr(
            sys,
            "argv",
            ["mtneuro", "run", "--preset", "smoke", "--workers", "0", "--output", str(tmp_path), *more],
        )
        with pytest.raises(SystemExit):
            cli.main()
        return capsys.readouterr()

    name = next(line.split()[2] for line in told("--list").out.splitlines() if "arrays-" in line)
    told("--only", name)
    arrays = tmp_path / "runs" / name / "arrays.npz"
    whole = arrays.read_bytes()
    arrays.write_bytes(whole[:100])
    assert f"broken  {name}" in told("--list").out
    err = told("--only", name).err
    assert f"{arrays} must have {len(whole):,} bytes, got 100" in err
    assert "1 to do" in err
    assert arrays.read_bytes() == whole
    assert f"done    {name}" in told("--list").out


def test_where_no_run_is_left_to_do_nothing_heavy_is_loaded_and_the_report_stays(tmp_path, made_up):
    preset = read_preset("smoke").model_copy(update={"device": "cpu"})
    plan = plan_of(preset)
    store = made_up(plan, tmp_path)
    report = write_report(plan, store, [], tmp_path / "smoke" / "report.html")
    before = report.stat().st_mtime_ns
    # In a process of its own, since these tests have loaded everything. Only torch can count GPUs.
    script = """
import sys
from mtneuro_suite import cli
from mtneuro_suite.execute.executor import _driver_is_there
output = sys.argv[1]
device = ["--device", "cpu"] if _driver_is_there() else []
for option in (["--print"], ["--list"], ["--estimate"], []):
    sys.argv = ["mtneuro", "run", "--preset", "smoke", *device, "--output", output, *option]
    try:
        cli.main()
    except SystemExit as ended:
        assert not ended.code, ended
    heavy = {"torch", "matplotlib", "pandas", "sklearn", "umap", "scipy", "distributed"} & sys.modules.keys()
    print("loaded after", *option, *sorted(heavy))
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    ended = subprocess.run(command, cwd=RUN_ALL.parent, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert [line for line in ended.stdout.splitlines() if line.startswith("loaded after")] == [
        "loaded after --print",
        "loaded after --list",
        "loaded after --estimate",
        "loaded after",
    ]
    assert report.stat().st_mtime_ns == before


def test_a_damaged_file_is_left_out_of_the_report_and_named(tmp_path, made_up):
    plan = plan_of(read_preset("smoke"))
    store = made_up(plan, tmp_path)
    run = plan.segmenters[0]
    examples = store.folder(run) / "examples.npz"
    examples.write_bytes(bytes(examples.stat().st_size))
    told_out, told_err = io.StringIO(), io.StringIO()
    out, err = (Console(file=file, width=500) for file in (told_out, told_err))
    display = Display(Tally([], already=0, forecast=0.0), console=err)
    shown = command._Shown(tables=False, paper=False, display=display)
    written = command._write_results(plan, store, tmp_path / "smoke", [], shown=shown, out=out, err=err)
    assert written is False
    said = told_err.getvalue()
    assert f"damaged: {examples} no longer holds what was written; run the same command again" in said
    assert sorted(path.name for path in (tmp_path / "smoke").iterdir()) == [
        "about.json",
        "costs.csv",
        "report.html",
        "results.csv",
    ]
    assert [one for one in plan.runs if not store.done(one)] == [run]


def test_a_failed_run_is_listed_with_the_command_that_repeats_it(tmp_path, monkeypatch, capsys):
    def bad(*arguments):
        raise ValueError("no such cube")

    monkeypatch.setattr(Arrays, "run", bad)
    arguments = ["--preset", "smoke", "--workers", "0", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["mtneuro", "run", *arguments, "--list"])
    with pytest.raises(SystemExit):
        cli.main()
    listed = capsys.readouterr().out.splitlines()
    name, title = next(line[8:].split("  ") for line in listed if "arrays-" in line)
    monkeypatch.setattr(sys, "argv", ["mtneuro", "run", *arguments, "--only", name])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 1
    err = capsys.readouterr().err
    assert f"failed: {title}: ValueError: no such cube" in err
    assert f"again: mtneuro run {' '.join(arguments)} " in err
    assert err.rstrip().endswith(f"--only {name}")
    monkeypatch.setattr(sys, "argv", ["mtneuro", "run", *arguments, "--list"])
    with pytest.raises(SystemExit):
        cli.main()
    assert f"failed  {name}" in capsys.readouterr().out
    refused = refusal(capsys, *arguments, "--only", name[:-1])
    assert f"got '{name[:-1]}'; did you mean '{name}'?" in refused


def test_the_list_ends_with_the_counts_of_each_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        sys, "argv", ["mtneuro", "run", "--preset", "smoke", "--list", "--output", str(tmp_path)]
    )
    with pytest.raises(SystemExit):
        cli.main()
    listed = capsys.readouterr().out.splitlines()
    counts = [line for line in listed if line.startswith(("Table", "Figures"))]
    assert listed[-len(counts) :] == counts
    assert [line.partition(":")[0] for line in counts] == [
        "Table 1",
        "Table 2",
        "Table 3",
        "Figures 4 and A4",
    ]
    # Three encoders and three floors, and what they learn from and are scored on.
    assert counts[0].split()[2:] == ["6", "results", "of", "17", "runs"]


@pytest.fixture
def model_folder(tmp_path):
    """Makes the folder of a model whose settings name code."""

    def made(**settings):
        folder = tmp_path / "model"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"settings": settings}))
        (folder / "model.safetensors").write_bytes(b"weights")
        return str(folder)

    return made


PRESET = """
description = "with code"
source = "phantom"
device = "cpu"
[task1]
methods = ["pca"]
tasks = ["roi-c1"]
rows.mine = { method = "untrained", encoder = "planted.nets:make" }
[task2]
models = ["unet"]
"""


@pytest.mark.parametrize(
    ("option", "settings", "where"),
    [
        ("--encoder", {"encoder": "planted.nets:make"}, "config.json"),
        ("--segmenter", {"model": "planted.nets:make", "classes": 4}, "config.json"),
        ("--preset", {}, "row 'mine' of the preset"),
    ],
)
def test_code_that_a_file_names_is_imported_only_if_it_is_named_on_the_command_line_too(
    capsys, tmp_path, model_folder, planted, monkeypatch, option, settings, where
):
    (tmp_path / "mine.toml").write_text(PRESET)
    options = ["--preset", str(tmp_path / "mine.toml")] if option == "--preset" else ["--preset", "smoke"]
    if settings:
        options += [option, model_folder(**settings)]
    for trust in ([], ["--trust", "planted.nets:mak"], ["--trust", "planted.nets"]):
        line = refusal(capsys, *options, "--list", *trust)
        assert f"{where} names 'planted.nets:make', code that would be imported and called" in line
        assert "give --trust planted.nets:make " in line
        assert not planted()
    monkeypatch.setattr(sys, "argv", ["mtneuro", "run", *options, "--list", "--trust", "planted.nets:make"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 0, capsys.readouterr().err
    # Found in the current folder: Python imports the package around a module to find it.
    assert planted()


def test_code_that_a_change_names_is_trusted():
    given = command.What(
        encoder="one:make",
        segmenter="two.nets:make:3d",
        changes=("task2.rows.x.model=three:make", "seeds=[1]"),
    )
    assert given.trusted == {"one:make", "two.nets:make", "three:make"}


@pytest.mark.parametrize(
    ("options", "tables", "papers"),
    [([], False, False), (["--tables"], True, False), (["--paper"], True, True)],
)
def test_a_run_ends_with_findings_and_shows_tables_on_request(
    tmp_path, monkeypatch, capsys, made_up, options, tables, papers
):
    preset = read_preset("smoke").model_copy(update={"device": "cpu"})
    plan = plan_of(preset)
    write_report(plan, made_up(plan, tmp_path), [], tmp_path / "smoke" / "report.html")
    words = ["mtneuro", "run", "--preset", "smoke", "--device", "cpu", "--output", str(tmp_path), *options]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert not stopped.value.code
    shown = capsys.readouterr().out
    assert shown.index("Findings\n- ") < shown.index("The phantom is not the brain")
    assert ("Table 1. Brain region" in shown) is tables
    assert ("the paper's last" in shown) is papers
    *_, results, report = shown.splitlines()
    assert results.startswith("results written to")
    assert report == f"report written to {tmp_path / 'smoke' / 'report.html'}"
