"""The speed scripts' figures, records and command line, on a toy script."""

import doctest
import importlib
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SPEED = Path(__file__).parents[1] / "speed"

TOY = '''
"""How fast a toy is."""

import sys
from pathlib import Path

from command import Unavailable, main
from measuring import Figure, compared, peak_bytes


def sums(*, quick):
    """Yield sums of many numbers beside sums of few."""
    many, few = range(100_000), range(1_000)
    yield compared("many / few", lambda: sum(many), lambda: sum(few), rounds=3 if quick else 5, at_least=2)


def memory(*, quick):
    """Yield the memory of 40 MiB."""
    yield Figure(name="peak", value=peak_bytes(holding, 40) / 2**20, unit="MiB", at_least=38, at_most=44)


def elsewhere(*, quick):
    """Yield nothing here."""
    raise Unavailable("no such device")


def broken(*, quick):
    """Yield one figure and fail."""
    yield Figure(name="slow", value=0.5, at_least=1)
    raise ValueError("results differ")


def holding(mebibytes):
    warm = b"a" * (8 * 2**20)
    del warm
    yield
    bytes(range(256)) * (mebibytes * 2**12)


if __name__ == "__main__":
    parts = [sums, memory, elsewhere, broken]
    folder = Path(__file__).parent / "records"
    sys.exit(main("toy", parts, about=__doc__, package="mtneuro_probe", folder=folder))
'''


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SPEED))
    return importlib.import_module("measuring")


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SPEED))
    return importlib.import_module("recording")


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    script = tmp_path / "speed_toy.py"
    script.write_text(TOY, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(SPEED))
    monkeypatch.chdir(tmp_path)
    return script


def ran(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True)


def the_record(folder: Path) -> dict[str, Any]:
    (path,) = (folder / "records").glob("toy-*.json")
    return json.loads(path.read_text("utf-8"))


def test_the_examples_hold(measuring):
    assert doctest.testmod(measuring, optionflags=doctest.ELLIPSIS) == (0, 2)


def test_a_figure_is_the_median_and_half_the_distance_of_the_quartiles(measuring):
    figure = measuring.Figure.of("x", [1.0, 2.0, 3.0, 4.0, 100.0])
    assert (figure.value, figure.spread, figure.rounds) == (3.0, 1.0, 5)
    assert measuring.Figure.of("x", [2.0]).spread is None


@pytest.mark.parametrize(
    ("value", "bounds", "verdict"),
    [
        (2.0, {"at_least": 2.0}, "ok"),
        (1.99, {"at_least": 2.0}, "SHORT"),
        (1.3, {"at_most": 1.3}, "ok"),
        (1.31, {"at_most": 1.3}, "SHORT"),
        (math.nan, {"at_most": 1.3}, "SHORT"),
        (5.0, {}, "reported"),
    ],
)
def test_a_figure_is_held_to_its_bound(measuring, value, bounds, verdict):
    assert measuring.Figure(name="x", value=value, **bounds).verdict == verdict


def test_work_is_timed_in_turns(measuring):
    order, now = [], [0.0]

    def takes(name: str, seconds: float) -> Any:
        def work() -> None:
            order.append(name)
            now[0] += seconds

        return work

    figure = measuring.compared("a / b", takes("a", 6.0), takes("b", 2.0), rounds=3, clock=lambda: now[0])
    assert order == ["a", "b"] * 3
    assert (figure.value, figure.spread) == (3.0, 0.0)


def test_a_record_is_read_as_it_was_written(recording, measuring, tmp_path):
    record = recording.Record.begun("toy", package="mtneuro_probe", script=Path(__file__), quick=True)
    record.parts["one"] = recording.Part(figures=[measuring.Figure.of("x", [1.0, 2.0], at_most=3)])
    again = recording.Record.read(record.write(tmp_path))
    assert again.parts == record.parts
    assert again.continues(record)
    assert [path.name for path in tmp_path.iterdir()] == [record.file_name]


def test_runs_of_other_sources_are_not_merged(recording, tmp_path):
    script = tmp_path / "speed_toy.py"
    script.write_text("one", "utf-8")
    before = recording.Record.begun("toy", package="mtneuro_probe", script=script, quick=True)
    script.write_text("two", "utf-8")
    after = recording.Record.begun("toy", package="mtneuro_probe", script=script, quick=True)
    assert not after.continues(before)


def test_another_format_is_refused(recording, tmp_path):
    path = tmp_path / "toy-20200101T000000.json"
    path.write_text('{"figures": []}', "utf-8")
    with pytest.raises(ValueError, match="format_version 1, got None; measure it anew"):
        recording.Record.read(path)


def test_a_script_prints_a_table_writes_a_record_and_fails_with_its_floors(toy, tmp_path):
    run = ran(toy, "--quick")
    assert run.returncode == 1
    verdicts = [line.split()[-1] for line in run.stdout.splitlines()[1:4]]
    assert verdicts == ["ok", "ok", "device"]
    assert "slow" in run.stdout
    assert "SHORT" in run.stdout
    record = the_record(tmp_path)
    assert record["quick"]
    assert not record["holds"]
    assert record["versions"]["python"]
    assert record["machine"]["cores"] >= 1
    parts = record["parts"]
    assert parts["sums"]["figures"][0]["rounds"] == 3
    assert parts["elsewhere"]["note"] == "no such device"
    assert parts["broken"]["error"] == "ValueError: results differ"
    assert len(parts["broken"]["figures"]) == 1


def test_a_script_is_measured_in_pieces(toy, tmp_path):
    assert ran(toy, "--only", "memory").returncode == 0
    run = ran(toy, "--only", "sums")
    assert run.returncode == 0
    assert "left out: elsewhere, broken" in run.stdout
    measured = {name: len(part["figures"]) for name, part in the_record(tmp_path)["parts"].items()}
    assert measured == {"sums": 1, "memory": 1, "elsewhere": 0, "broken": 0}


def test_an_unknown_part_is_refused_with_the_known_ones(toy):
    run = ran(toy, "--only", "summs")
    assert run.returncode == 2
    assert "sums" in run.stderr.splitlines()[-1]


def test_parts_are_listed(toy, tmp_path):
    assert ran(toy, "--list").stdout.split("\n")[0].split(maxsplit=1) == [
        "sums",
        "Yield sums of many numbers beside sums of few.",
    ]
    assert not (tmp_path / "records").exists()
