"""The command `mtneuro`: its help, its version, and a checkout's scripts, each one of its commands."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from mtneuro_suite import cli

BENCHMARKS = Path(__file__).parents[1]
HEAVY = {"torch", "lightning", "sklearn", "umap", "pandas", "matplotlib", "monai", "distributed"}


def told(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run words in a folder, as whoever has installed the suite and knows of no checkout."""
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(words, cwd=folder, env=alone, capture_output=True, text=True, check=False)


def helped(arguments: list[str], capsys: pytest.CaptureFixture[str], app=cli.app) -> str:
    """Return what the help of a command shows, on one line."""
    app([*arguments, "--help"], exit_on_error=False, result_action="return_value")
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("command", "example"),
    [
        (["run"], "mtneuro run --preset real-sample --data FOLDER"),
        (["plan"], "mtneuro plan --preset table1 --estimate"),
        (["compare"], "mtneuro compare results/demo --rows byol supervised"),
        (["compare", "record"], "mtneuro compare record results/study -o records/study"),
        (["compare", "leaderboard"], "mtneuro compare leaderboard submissions -o leaderboard.html"),
        (["submit"], 'mtneuro submit results/demo --name demo --by "A. Person"'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_each_command_shows_examples_under_its_name(command, example, capsys):
    shown = helped(command, capsys)
    assert example in shown
    assert ".py " not in re.sub(r"\S+\.py:\S+", "", shown), "a script of a checkout"


def test_a_checkouts_scripts_show_the_same_under_their_own_names(tmp_path):
    code = (
        "import runpy, sys\n"
        "for script, *words in (['run_all.py'], ['compare.py'], ['compare.py', 'leaderboard']):\n"
        f"    sys.argv = [script, *words, '--help']\n"
        f"    try: runpy.run_path(f'{BENCHMARKS}/{{script}}', run_name='__main__')\n"
        "    except SystemExit as stop: assert not stop.code, stop\n"
    )
    done = told(sys.executable, "-c", code, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.split())
    for example in (
        "uv run benchmarks/run_all.py --preset real-sample --data FOLDER",
        "uv run benchmarks/compare.py results/demo --rows byol supervised",
        "uv run benchmarks/compare.py leaderboard submissions -o leaderboard.html",
    ):
        assert example in shown
    assert not re.findall(r"mtneuro (?:run|compare|submit)", shown)


def test_the_installed_command_needs_no_checkout_to_say_its_version(tmp_path):
    command = shutil.which("mtneuro", path=str(Path(sys.executable).parent))
    assert command, "uv sync installs the suite too"
    assert told(command, "--version", folder=tmp_path).stdout.strip() == version("mtneuro")
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_is_not_there_is_refused_with_the_nearest(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mtneuro", "rum"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err == (
        "mtneuro: error: the command must be one of run, plan, compare, submit, got 'rum'; "
        "did you mean 'run'? See mtneuro --help\n"
    )


def test_help_and_a_plan_load_no_heavy_library_and_one_thread_is_set_before_numpy(tmp_path):
    code = (
        "import os, sys\n"
        "from mtneuro_suite.__main__ import main\n"
        "assert 'numpy' not in sys.modules\n"
        "for words in (['--help'], ['run', '--help'], ['compare', '--help'], ['submit', '--help'],\n"
        "              ['plan', '--preset', 'smoke', '--device', 'cpu']):\n"
        "    sys.argv = ['mtneuro', *words]\n"
        "    try: main()\n"
        "    except SystemExit as stop: assert not stop.code, stop\n"
        "    assert os.environ['OMP_NUM_THREADS'] == os.environ['NUMBA_NUM_THREADS'] == '1'\n"
        f"    heavy = {HEAVY!r} & set(sys.modules)\n"
        "    assert not heavy, (words, heavy)\n"
    )
    keys = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
    free = {name: value for name, value in os.environ.items() if name not in keys}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=free, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Table 3:" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_option_that_has_a_new_form_is_told_in_both_commands(monkeypatch, capsys):
    for command in ("run", "plan"):
        monkeypatch.setattr(sys, "argv", ["mtneuro", command, "--plan"])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert stopped.value.code == 2
        assert "--plan is now --estimate" in capsys.readouterr().err
