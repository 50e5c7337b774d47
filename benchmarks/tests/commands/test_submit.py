"""`mtneuro submit` as a user runs it; what it checks is tested where it is checked."""

import sys

import pytest

from mtneuro_suite import cli


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--name", "mine", "--by", "A"], "in which `mtneuro run` wrote results.csv"),
        (["nowhere", "--name", "mine"], "--by"),
        (["nowhere", "--name", "mine", "--by", "A", "-o", "mine.json"], ".submission.json, got 'mine.json'"),
    ],
)
def test_wrong_input_ends_with_one_line_and_status_2(arguments, message, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["mtneuro", "submit", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("mtneuro: error: ")
    assert message in line
    assert list(tmp_path.iterdir()) == []
