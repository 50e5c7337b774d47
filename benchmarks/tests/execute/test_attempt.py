import json
from contextlib import closing
from typing import ClassVar

import pytest

from mtneuro_suite.execute.attempt import Attempt, execute
from mtneuro_suite.runs.lease import lease
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.step import Outcome, Step
from mtneuro_suite.runs.store import Store


class Work(Step):
    """Does nothing."""

    kind: ClassVar = "work"

    def run(self, roles, out, progress):
        progress(1, 1)
        return Outcome()


class Other(Work):
    """Does nothing with what it reads."""

    kind: ClassVar = "other"


def ignored(done, total):
    pass


def test_a_run_ends_with_its_result_and_without_a_lease(tmp_path):
    store, run = Store(tmp_path), Run(step=Work(), title="x")
    assert execute(Attempt(run), tmp_path, ignored)
    assert store.done(run)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [run.id]


def test_a_run_that_another_process_holds_is_left_alone(tmp_path):
    store, run = Store(tmp_path), Run(step=Work(), title="x")
    (tmp_path / "runs").mkdir()
    held = lease(store.folder(run))
    assert held is not None
    with closing(held):
        assert not execute(Attempt(run), tmp_path, ignored)
    assert not store.done(run)


def test_an_unfinished_run_leaves_no_result(tmp_path, monkeypatch):
    def interrupted(self, roles, out, progress):
        (out / "half").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Work, "run", interrupted)
    store, run = Store(tmp_path), Run(step=Work(), title="x")
    with pytest.raises(KeyboardInterrupt):
        execute(Attempt(run), tmp_path, ignored)
    assert not store.done(run)
    assert (store.partial(run) / "half").exists()


def test_an_attempt_that_cannot_be_resumed_is_restarted_and_the_log_says_so(tmp_path, monkeypatch):
    def resuming(self, roles, out, progress):
        checkpoint = out / "model.partial" / "checkpoint"
        if checkpoint.exists() and checkpoint.read_text() != "whole":
            raise RuntimeError("checkpoint is damaged")
        return Outcome()

    monkeypatch.setattr(Work, "run", resuming)
    store, run = Store(tmp_path), Run(step=Work(), title="x")
    (store.partial(run) / "model.partial").mkdir(parents=True)
    (store.partial(run) / "model.partial" / "checkpoint").write_text("ha")
    assert execute(Attempt(run), tmp_path, ignored)
    log = (store.folder(run) / "run.log").read_text()
    assert "resumed on" in log
    assert "could not resume the interrupted attempt (RuntimeError: checkpoint is damaged): restarted" in log


def test_a_need_whose_result_file_was_changed_is_not_read(tmp_path):
    store, need = Store(tmp_path), Run(step=Work(), title="need")
    assert execute(Attempt(need), tmp_path, ignored)
    path = store.folder(need) / "result.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "settings": {"train": {"encoder": "planted.nets:make"}}}))
    run = Run(step=Other(), title="x", needs={"encoder": (need,)})
    with pytest.raises(
        ValueError, match=r"must hold the settings of its run, got others: somebody changed it"
    ):
        execute(Attempt(run), tmp_path, ignored)
    path.write_text(json.dumps(told))
    assert execute(Attempt(run), tmp_path, ignored)
