"""All speed scripts in one run, on toy scripts."""

import importlib
import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

SPEED = Path(__file__).parents[1] / "speed"
SCRIPTS = sorted(path.name for path in SPEED.glob("speed_*.py"))

TOY = '''
"""Toy."""

import sys
from functools import partial
from pathlib import Path

from command import main
from measuring import Figure


def counts(*, quick):
    """Yield counts."""
    yield Figure.of("plain / ours", {values}, at_least=2)


def more(*, quick):
    """Yield one more."""
    yield Figure(name="peak", value=1.0, unit="MiB")


if __name__ == "__main__":
    folder = Path(__file__).parent / "records"
    sys.exit(main("{name}", [counts, more], about=__doc__, package="mtneuro_probe", folder=folder))
'''


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.syspath_prepend(str(SPEED))
    monkeypatch.setenv("PYTHONPATH", str(SPEED))
    run = importlib.import_module("run")
    return partial(run.main, scripts=tmp_path, folder=tmp_path / "records")


def toy(folder: Path, name: str, values: tuple[float, ...] = (3.0, 4.0, 5.0)) -> None:
    (folder / f"speed_{name}.py").write_text(TOY.format(name=name, values=values), "utf-8")


def combined(folder: Path) -> dict[str, Any]:
    return json.loads(max((folder / "records").glob("all-*.json")).read_text("utf-8"))


def test_floors_that_hold_are_told_and_pass(main, tmp_path, capfd):
    toy(tmp_path, "fast")
    assert main([]) == 0
    printed = capfd.readouterr().out
    assert "4.00 ± 0.50" in printed
    assert "SHORT" not in printed
    assert combined(tmp_path)["holds"]
    page = (tmp_path / "records" / "RESULTS.md").read_text("utf-8")
    assert "| plain / ours | 4.00 ± 0.50 | >= 2 | ok |" in page
    assert "| peak | 1.00 MiB |  | reported |" in page


def test_a_missed_floor_is_named_and_fails(main, tmp_path, capfd):
    toy(tmp_path, "fast")
    toy(tmp_path, "slow", (1.0, 1.5, 2.0))
    assert main(["--quick"]) == 1
    assert "SHORT: slow: plain / ours: 1.50 ± 0.25, must be >= 2" in capfd.readouterr().out.splitlines()
    assert [record["name"] for record in combined(tmp_path)["records"]] == ["fast", "slow"]
    assert not (tmp_path / "records" / "RESULTS.md").exists(), "a quick run must not replace whole figures"


def test_a_script_that_does_not_start_is_named_and_fails(main, tmp_path, capfd):
    toy(tmp_path, "fast")
    (tmp_path / "speed_torn.py").write_text("raise SystemExit(3)", "utf-8")
    assert main([]) == 1
    assert "SHORT: torn: no results: run speed_torn.py" in capfd.readouterr().out
    assert len(combined(tmp_path)["records"]) == 1


def test_reuse_measures_nothing_and_says_that_sources_changed(main, tmp_path, capfd):
    toy(tmp_path, "fast")
    main([])
    toy(tmp_path, "fast", (1.0,))
    capfd.readouterr()
    assert main(["--reuse"]) == 0
    printed = capfd.readouterr().out
    assert "4.00 ± 0.50" in printed
    assert "its sources have changed since" in printed


def test_reuse_takes_no_quick_run_for_a_whole_one(main, tmp_path, capfd):
    toy(tmp_path, "fast")
    main(["--quick"])
    assert main(["--reuse"]) == 1
    assert "no results" in capfd.readouterr().out


def test_a_part_that_was_left_out_is_no_success(main, tmp_path, capfd, monkeypatch):
    toy(tmp_path, "fast")
    main([])
    (path,) = (tmp_path / "records").glob("fast-*.json")
    record = json.loads(path.read_text("utf-8"))
    record["parts"]["more"] = {
        "load_average": None, "note": "left out of this run", "error": "", "figures": []
    }  # fmt: skip
    path.write_text(json.dumps(record), "utf-8")
    assert main(["--reuse"]) == 1
    assert "SHORT: fast: more was not measured" in capfd.readouterr().out


def test_an_unknown_script_is_refused_with_the_nearest(main, tmp_path, capfd):
    toy(tmp_path, "probe")
    assert main(["prob"]) == 2
    assert "must be one of probe, got 'prob'; did you mean 'probe'?" in capfd.readouterr().err


def test_the_page_can_be_written_from_what_is_there(main, monkeypatch):
    run = importlib.import_module("run")
    names = [path.stem.removeprefix("speed_") for path in SPEED.glob("speed_*.py")]
    page = run.markdown({name: run.whole_record(name, run.RECORDS) for name in names}, SPEED)
    assert all(f"## {name}\n" in page for name in names)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_part_of_a_script_ends(script, tmp_path, monkeypatch):
    # In a copy, whose results are nobody's. Floors are for a machine on which nothing else runs.
    folder = shutil.copytree(SPEED, tmp_path / "speed", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    run = subprocess.run(
        [sys.executable, str(folder / script), "--quick"], capture_output=True, text=True, check=False
    )
    assert run.returncode in {0, 1}, run.stderr
    (path,) = (tmp_path / "records" / "speed").glob("*.json")
    parts = json.loads(path.read_text("utf-8"))["parts"]
    assert {name: part["error"] for name, part in parts.items() if part["error"]} == {}
    assert all(part["figures"] or part["note"] for part in parts.values())
