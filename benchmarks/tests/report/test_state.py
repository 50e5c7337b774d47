import pytest

from mtneuro_suite.report.state import report_state, shows
from mtneuro_suite.runs.failure import Failure


def test_a_finished_report_shows_its_state(finished):
    plan, store, report = finished
    assert shows(report, report_state(plan, store, []))


def test_another_result_failure_or_setting_is_another_state(finished, monkeypatch):
    plan, store, report = finished
    failed = report_state(plan, store, [Failure(plan.runs[0], "OSError: no space")])
    assert not shows(report, failed)
    stamp = store.stamp
    monkeypatch.setattr(store, "stamp", lambda run: stamp(run) + (run is plan.runs[-1]))
    assert not shows(report, report_state(plan, store, []))


def test_other_sources_are_another_state(finished, monkeypatch):
    plan, store, report = finished
    monkeypatch.setattr("mtneuro_suite.report.state.sources", lambda: "edited")
    assert not shows(report, report_state(plan, store, []))


@pytest.mark.parametrize("content", [None, b"", b"<html>\xff"])
def test_what_is_no_report_shows_nothing(tmp_path, content):
    path = tmp_path / "report.html"
    if content is not None:
        path.write_bytes(content)
    assert not shows(path, "state")
