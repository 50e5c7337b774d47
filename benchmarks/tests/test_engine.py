import json

import numpy as np
import pytest

from mtneuro_suite import steps
from mtneuro_suite.engine import run_here, run_on_workers
from mtneuro_suite.inputs import paper_inputs
from mtneuro_suite.planning import arrays_run
from mtneuro_suite.preset import read_preset
from mtneuro_suite.results import Row, Store
from mtneuro_suite.run import Run, with_needs


class Heard:
    def __init__(self):
        self.ended = {}

    def progressed(self, run_id, done, total):
        assert 0 <= done <= total

    def finished(self, run_id, failure):
        self.ended[run_id] = failure


def runs():
    good = Run(kind="arrays", title="good", settings={"value": 1})
    bad = Run(kind="arrays", title="bad", settings={"value": None})
    after_bad = Run(kind="features", title="after bad", settings={"roles": {"samples": [0]}}, needs=(bad,))
    after_good = Run(kind="features", title="after good", settings={"roles": {"samples": [0]}}, needs=(good,))
    return with_needs([after_bad, after_good])


@pytest.fixture
def fake_steps(monkeypatch):
    def arrays(settings, roles, out, progress):
        if settings["value"] is None:
            raise ValueError("the disk is full")
        (out / "value").write_text(str(settings["value"]))
        return steps.Outcome()

    def features(settings, roles, out, progress):
        value = float((roles["samples"][0] / "value").read_text())
        row = Row(
            task="t",
            training_set="a",
            test_set="b",
            model="m",
            seed=1,
            metric="x",
            class_name="",
            value=value,
            n=1,
        )
        return steps.Outcome([row])

    monkeypatch.setitem(steps.STEPS, "arrays", arrays)
    monkeypatch.setitem(steps.STEPS, "features", features)


def test_a_failed_run_stops_only_those_that_need_it(tmp_path, fake_steps):
    store, heard = Store(tmp_path), Heard()
    failures = {failure.run.title: failure.reason for failure in run_here(runs(), store, heard)}
    assert failures == {
        "bad": "ValueError: the disk is full",
        "after bad": "not run, because it needs 'bad', which failed",
    }
    assert [row.value for row in store.rows(runs())] == [1.0]
    assert len(heard.ended) == 4


def test_a_finished_run_is_not_done_again(tmp_path, fake_steps, monkeypatch):
    store = Store(tmp_path)
    run_here(runs(), store, Heard())

    def never(*args):
        raise AssertionError("done again")

    monkeypatch.setitem(steps.STEPS, "features", never)
    assert [failure.run.title for failure in run_here(runs()[-1:], store, Heard())] == []


def test_an_unfinished_run_leaves_no_result(tmp_path, monkeypatch):
    def interrupted(settings, roles, out, progress):
        (out / "half").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setitem(steps.STEPS, "arrays", interrupted)
    store, run = Store(tmp_path), Run(kind="arrays", title="x", settings={})
    with pytest.raises(KeyboardInterrupt):
        run_here([run], store, Heard())
    assert not store.done(run)
    assert (store.partial(run) / "half").exists()


def test_a_result_of_another_version_is_refused(tmp_path, fake_steps):
    store = Store(tmp_path)
    run_here(runs(), store, Heard())
    done = next(run for run in runs() if store.done(run))
    path = store.folder(done) / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "result_version": 99}))
    with pytest.raises(ValueError, match="must have result_version 1, got 99; use another --output"):
        store.result(done)
    path.write_text("{")
    with pytest.raises(ValueError, match="is not a result file; delete"):
        store.result(done)


def test_two_processes_give_what_one_does(tmp_path):
    preset = read_preset("smoke")
    inputs = paper_inputs(preset)
    todo = [arrays_run(task, inputs) for task in inputs.regions[0].test]
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    assert run_here(todo, here, Heard()) == []
    heard = Heard()
    assert run_on_workers(todo, there, heard, workers=2) == []
    assert set(heard.ended) == {run.id for run in todo}
    for run in todo:
        with (
            np.load(here.folder(run) / "arrays.npz") as one,
            np.load(there.folder(run) / "arrays.npz") as two,
        ):
            assert all(np.array_equal(one[key], two[key]) for key in one.files)
