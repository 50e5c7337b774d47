from pathlib import Path

import pytest

from mtneuro_suite.runs.logs import logging_to, training_logs


def given(names, **options):
    """Stand for a package's ``run_loggers``."""
    return [(names, options)]


@pytest.fixture(autouse=True)
def _silent(monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")


def test_no_training_is_logged_unless_asked():
    assert training_logs(given, Path("model")) == []
    with logging_to((), Path("out"), "x"):
        assert training_logs(given, Path("model")) == []


def test_a_training_is_logged_under_the_name_of_its_run_as_long_as_that_runs():
    with logging_to(["wandb"], Path("out"), "timm:a/b, seed 1, encoder-0f"):
        ((names, options),) = training_logs(given, Path("model"))
    assert names == ("wandb",)
    assert options == {
        "out": Path("model"),
        "folder": Path("out/logs"),
        "run": "timm_a_b, seed 1, encoder-0f",
    }
    assert training_logs(given, Path("model")) == []
