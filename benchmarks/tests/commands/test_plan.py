"""What `mtneuro plan` lists is what `mtneuro run --list` lists."""

import sys

import pytest

from mtneuro_suite import cli


@pytest.fixture
def told(monkeypatch, capsys, tmp_path):
    """Runs a command, which writes nothing, and gives its lines."""

    def tell(*words, code=0):
        output = tmp_path / "results"
        monkeypatch.setattr(sys, "argv", ["mtneuro", *words, "--output", str(output)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        shown = capsys.readouterr()
        assert stopped.value.code == code, shown.err
        assert not output.exists()
        return (shown.err if code else shown.out).splitlines()

    return tell


def test_a_plan_is_the_list_of_a_run(told):
    words = ("--preset", "smoke", "--device", "cpu")
    planned = told("plan", *words)
    assert planned == told("run", *words, "--list")
    assert planned[0].startswith("to do ")
    name = planned[0].split()[2]
    assert [line.split()[2] for line in told("plan", *words, "--only", name)] == [name]


def test_a_plan_of_a_source_that_cannot_be_read_is_refused(told):
    (line,) = told("plan", "--preset", "smoke", "--source", "nowhere", code=2)
    assert line.startswith("mtneuro: error: source must be phantom, bossdb")


@pytest.mark.slow
def test_an_estimate_stands_before_the_list(told):
    lines = told("plan", "--preset", "smoke", "--device", "cpu", "--estimate")
    listed = told("plan", "--preset", "smoke", "--device", "cpu")
    assert lines[-len(listed) :] == listed
    assert any(line.startswith("time ") for line in lines[: -len(listed)])
