"""How every command line ends, and what it reads of a volume."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest
from cyclopts import App
from mtneuro_data._shared.terminal import Ranges, RangesOption, check_output, run


@pytest.fixture
def app() -> App:
    app = App(name="tool", suppress_keyboard_interrupt=False)

    @app.command
    def lines(*, ranges: RangesOption = None) -> Iterator[str]:
        yield "first"
        yield str(ranges.slices((8, 8, 8))[0] if ranges else None)

    @app.command
    def fails(kind: str) -> None:
        errors = {"value": ValueError("a\nb"), "interrupt": KeyboardInterrupt(), "bug": RuntimeError("bug")}
        raise errors[kind]

    return app


def ran(app: App, *arguments: str, **options: object) -> tuple[int, list[str]]:
    said: list[str] = []
    return run(app, arguments, say=said.append, **options), said  # pyright: ignore[reportArgumentType]


def test_a_command_says_its_lines(app):
    assert ran(app, "lines", "--z", "1:3") == (0, ["first", "slice(1, 3, None)"])


@pytest.mark.parametrize("text", ["1", "3:1", "0:9", "a:b", "-1:3"])
def test_a_range_that_leaves_the_volume_is_refused(text):
    with pytest.raises(ValueError, match=r"--z must be first:end with 0 <= first < end <= 8"):
        Ranges(z=text).slices((8, 8, 8))


def test_a_mistake_is_one_line_and_status_2(app, capsys):
    assert ran(app, "fails", "value") == (2, [])
    assert capsys.readouterr().err == "tool: error: a b\n"


def test_an_unknown_option_is_one_line_that_names_the_help(app, capsys):
    assert ran(app, "lines", "--zed", "1:2")[0] == 2
    error = capsys.readouterr().err
    assert error.startswith("tool: error: ")
    assert error.endswith("See tool lines --help\n")
    assert error.count("\n") == 1


def test_an_unknown_command_is_refused_with_the_known_ones(app, capsys):
    assert ran(app, "line")[0] == 2
    refusal = "the command must be one of lines, fails, got 'line'; did you mean 'lines'? See tool --help"
    assert capsys.readouterr().err == f"tool: error: {refusal}\n"


def test_an_interruption_is_told_and_ends_with_130(app, capsys):
    assert ran(app, "fails", "interrupt")[0] == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_a_bug_of_ours_keeps_its_traceback(app):
    with pytest.raises(RuntimeError, match="bug"):
        ran(app, "fails", "bug")


def test_a_mistakes_traceback_is_shown_on_request(app, monkeypatch):
    monkeypatch.setenv("MTNEURO_TRACEBACK", "1")
    with pytest.raises(ValueError, match="a\nb"):
        ran(app, "fails", "value")


def test_an_option_that_moved_is_told_by_its_new_name(app, capsys):
    assert ran(app, "lines", "--config=a.toml", moved={"--config": "--settings"})[0] == 2
    assert capsys.readouterr().err == "tool: error: --config is now --settings\n"


def test_an_output_below_a_file_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"labels must be written to .*/file is not a folder"):
        check_output(tmp_path / "file" / "new" / "a.npy", what="labels", force=False)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path):
    (tmp_path / "a.npz").mkdir()
    with pytest.raises(IsADirectoryError, match="images must be written to a file, got the folder"):
        check_output(tmp_path / "a.npz", ".npz", what="images", force=False)


def test_an_output_in_a_folder_that_is_read_only_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=r"labels must be written to a folder .* is read-only"):
        check_output(tmp_path / "a.npy", ".npy", what="labels", force=False)


@pytest.mark.parametrize("folder", [False, True])
def test_an_output_that_exists_is_asked_for(tmp_path, folder):
    output = tmp_path / "a.zarr"
    output.mkdir() if folder else output.touch()
    with pytest.raises(FileExistsError) as error:
        check_output(output, ".zarr", what="labels", force=False)
    told = f"labels must be written to a new place, got {output}, which is there already; --force replaces it"
    assert str(error.value) == told
    check_output(output, ".zarr", what="labels", force=True)


def test_every_option_that_moved_is_told_with_its_value(app, capsys):
    typed = ["--epochs", "3", "--rate=0.1", "--plan"]
    moved = {"--epochs": "--set epochs=", "--rate": "--set rate=", "--plan": "--estimate"}
    assert ran(app, "lines", *typed, moved=moved)[0] == 2
    told = "--epochs is now --set epochs=3; --rate is now --set rate=0.1; --plan is now --estimate"
    assert capsys.readouterr().err == f"tool: error: {told}\n"


def test_an_ending_that_is_allowed_passes():
    check_output(Path("a.ome.zarr"), ".npy", ".zarr", what="labels", force=False)


TOOL = """
import sys, time
from functools import partial
from mtneuro_data._shared.terminal import command_line, run

app = command_line("tool", "Measures the brain \u2026")

@app.command
def talk():
    for number in range(20_000):
        yield "a line of some length"
    sys.stderr.write("finished\\n")

@app.command
def wait():
    yield "ready"
    time.sleep(60)

@app.command
def tidy():
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("tidying", flush=True)
        time.sleep(60)

sys.exit(run(app, sys.argv[1:], say=partial(print, flush=True)))
"""


def started(*arguments: str, **options: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", TOOL, *arguments]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **(streams | options))  # pyright: ignore[reportCallIssue, reportArgumentType]


def test_work_goes_on_quietly_when_the_reader_of_its_lines_has_gone():
    with started("talk") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "a line of some length\n"
        process.stdout.close()
        assert process.stderr.read() == "finished\n"
    assert process.returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_each_signal_that_ends_a_process_says_what_is_kept(name):
    number = getattr(signal, name)
    process = started("wait", preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, err = process.communicate()
    assert err == "tool: interrupted; what is done is kept: the same command goes on from there\n"
    assert process.returncode == 128 + number


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.timeout(60)
def test_a_second_ctrl_c_ends_the_command_at_once_with_one_line():
    process = started("tidy", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    assert process.stdout is not None
    for line in ("ready\n", "tidying\n"):
        assert process.stdout.readline() == line
        process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert err.replace("\x1b[?25h", "") == (
        "tool: interrupted; what is done is kept: the same command goes on from there\n"
    )
    assert process.returncode == 130


@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.default_int_handler])
def test_signals_are_what_they_were_once_a_command_has_ended(app, handler):
    before = signal.signal(signal.SIGINT, handler)
    try:
        ran(app, "lines")
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGHUP")
def test_a_signal_that_nohup_ignores_stays_ignored():
    process = started("wait", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM


def test_help_is_shown_by_a_terminal_that_knows_ascii_alone():
    process = started("--help", env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    out, _ = process.communicate()
    assert process.returncode == 0
    assert "Measures the brain ?" in out


def test_too_little_memory_is_one_line_and_status_2(capsys):
    app = App(name="tool")

    @app.default
    def work() -> None:
        raise MemoryError("Unable to allocate 3 TiB for an array")

    assert run(app, [], say=print) == 2
    error = (
        "out of memory (Unable to allocate 3 TiB for an array); take a smaller part or a machine with more"
    )
    assert capsys.readouterr().err == f"tool: error: {error} memory\n"


def test_processes_that_a_command_starts_import_nothing_from_the_current_folder(app, tmp_path, monkeypatch):
    # What a new process imports before it is told where to look.
    (tmp_path / "multiprocessing.py").write_text("open('imported', 'w').close()")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)

    @app.command
    def shared() -> str:
        process = get_context("spawn").Process(target=print)
        process.start()
        process.join()
        return str(process.exitcode)

    assert ran(app, "shared") == (0, ["0"])
    assert not (tmp_path / "imported").exists()
    assert "PYTHONSAFEPATH" not in os.environ
