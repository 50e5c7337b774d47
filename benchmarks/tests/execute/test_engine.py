import threading
import time
from typing import ClassVar

import numpy as np
import pytest

from mtneuro_suite.execute.attempt import Attempt
from mtneuro_suite.execute.engine import POLLED_EVERY, Ended, carry_out, run_here
from mtneuro_suite.execute.pool import run_on_workers
from mtneuro_suite.execute.selection import forget_failures, to_do
from mtneuro_suite.plan.arrays import arrays_run
from mtneuro_suite.plan.inputs import paper_inputs
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.runs.failure import read_note
from mtneuro_suite.runs.lease import lease
from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.run import Run, with_needs
from mtneuro_suite.runs.step import Outcome, Step
from mtneuro_suite.runs.store import Store


class Heard:
    def __init__(self):
        self.ended = {}

    def progressed(self, run_id, done, total):
        assert 0 <= done <= total

    def finished(self, run_id, failure):
        self.ended[run_id] = failure


class Made(Step):
    """Writes its value."""

    kind: ClassVar = "made"
    value: int | None = 1

    def run(self, roles, out, progress):
        if self.value is None:
            raise ValueError("the disk is full")
        (out / "value").write_text(str(self.value))
        return Outcome()


class Read(Step):
    """Returns what the run before it wrote."""

    kind: ClassVar = "read"

    def run(self, roles, out, progress):
        value = float((roles["made"][0] / "value").read_text())
        row = Row(
            task="t", training_set="a", test_set="b", model="m", seed=1, metric="x", value=value, n=1
        )  # fmt: skip
        return Outcome([row])


def carried_out(runs, store, heard):
    return run_here([Attempt(run) for run in runs], store, heard)


def runs():
    good = Run(step=Made(value=1), title="good")
    bad = Run(step=Made(value=None), title="bad")
    after_bad = Run(step=Read(), title="after bad", needs={"made": (bad,)})
    after_good = Run(step=Read(), title="after good", needs={"made": (good,)})
    return with_needs([after_bad, after_good])


def test_a_failed_run_stops_only_those_that_need_it(tmp_path):
    store, heard = Store(tmp_path), Heard()
    failures = {failure.run.title: failure.reason for failure in carried_out(runs(), store, heard)}
    assert failures == {
        "bad": "ValueError: the disk is full",
        "after bad": "not run, because it needs 'bad', which failed",
    }
    assert [row.value for row in store.rows(runs())] == [1.0]
    assert len(heard.ended) == 4


def test_a_finished_run_is_not_done_again(tmp_path, monkeypatch):
    store = Store(tmp_path)
    carried_out(runs(), store, Heard())

    def never(*args):
        raise AssertionError("done again")

    monkeypatch.setattr(Read, "run", never)
    assert [failure.run.title for failure in carried_out(runs()[-1:], store, Heard())] == []


class Given:
    """A pool that takes note of what it is given, and whose runs end one at a time, in that order."""

    def __init__(self):
        self.titles, self.at_work = [], []

    def start(self, attempt):
        self.titles.append(attempt.run.title)
        self.at_work.append(attempt)

    def ended(self, seconds):
        return [Ended(self.at_work.pop(0))]


def test_the_longest_chain_of_runs_starts_first_and_none_before_what_it_needs(tmp_path):
    short = Run(step=Made(value=1), title="short", cost=1)
    middle = Run(step=Made(value=2), title="middle", cost=5)
    head = Run(step=Made(value=3), title="head of a chain", cost=2)
    long = Run(step=Read(), title="end of a chain", needs={"made": (head,)}, cost=9)
    done = Run(step=Made(value=4), title="done before", cost=1)
    after = Run(step=Read(), title="after what is done", needs={"made": (done,)}, cost=4)
    attempts = [Attempt(run) for run in (short, middle, head, long, after)]
    pool = Given()
    assert carry_out(attempts, Store(tmp_path), Heard(), pool, at_once=2) == []
    assert pool.titles == ["head of a chain", "middle", "end of a chain", "after what is done", "short"]


def held_elsewhere(store, run):
    base = store.folder(run)
    base.parent.mkdir(parents=True, exist_ok=True)
    held = lease(base)
    assert held is not None
    return held


def test_a_run_that_another_suite_holds_is_waited_for_and_read_while_others_go_on(tmp_path):
    store, heard = Store(tmp_path), Heard()
    good = Run(step=Made(value=1), title="good")
    other = Run(step=Made(value=2), title="other")
    held = held_elsewhere(store, good)
    went_on = []

    def the_other_suite():
        while not store.done(other):
            time.sleep(0.01)
        went_on.append(not store.done(good))
        store.start(good)
        store.finish(good, [], extra={"by": "the other suite"}, seconds=0)
        held.close()

    thread = threading.Thread(target=the_other_suite)
    thread.start()
    assert carried_out([good, other], store, heard) == []
    thread.join()
    assert went_on == [True]
    assert store.result(good)["extra"] == {"by": "the other suite"}
    assert list(heard.ended) == [other.id, good.id]


def test_a_failure_in_another_suite_is_not_repeated(tmp_path, monkeypatch):
    """Of two suites at one folder one tries, and both tell."""
    tries = []

    def bad(self, roles, out, progress):
        tries.append(1)
        time.sleep(2 * POLLED_EVERY)
        raise ValueError("no such thing")

    monkeypatch.setattr(Made, "run", bad)
    run = Run(step=Made(), title="bad")
    told = []
    suites = [
        threading.Thread(target=lambda: told.extend(carried_out([run], Store(tmp_path), Heard())))
        for _ in range(2)
    ]
    for suite in suites:
        suite.start()
    for suite in suites:
        suite.join()
    assert [failure.reason for failure in told] == ["ValueError: no such thing"] * 2
    assert len(tries) == 1
    assert not list((tmp_path / "runs").glob("*.lease-*"))


def test_a_failed_run_is_listed_until_it_is_tried_again(tmp_path, monkeypatch):
    store = Store(tmp_path)
    carried_out(runs(), store, Heard())
    bad = next(run for run in runs() if run.title == "bad")
    note = read_note(store, bad)
    assert note is not None
    assert note.reason == "ValueError: the disk is full"
    assert 'raise ValueError("the disk is full")' in note.traceback
    assert not note.of_surroundings

    monkeypatch.setattr(Made, "run", lambda *arguments: Outcome())
    forget_failures(runs(), store, retry=False)
    (failure,) = carried_out([bad], store, Heard())
    assert failure.reason == note.reason
    forget_failures(runs(), store, retry=True)
    assert carried_out([bad], store, Heard()) == []
    assert read_note(store, bad) is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError("4 GiB"), "out of memory (4 GiB); use fewer --workers or a machine with more"),
        (ConnectionResetError("gone"), "ConnectionResetError: gone"),
    ],
)
def test_what_the_surroundings_did_is_tried_again_unasked(tmp_path, monkeypatch, error, reason):
    def bad(self, roles, out, progress):
        raise error

    monkeypatch.setattr(Made, "run", bad)
    store, run = Store(tmp_path), Run(step=Made(), title="x")
    (failure,) = carried_out([run], store, Heard())
    assert failure.reason == reason
    monkeypatch.setattr(Made, "run", lambda *arguments: Outcome())
    forget_failures([run], store, retry=False)
    assert carried_out([run], store, Heard()) == []


def test_a_full_disk_stops_the_rest_with_one_failure(tmp_path, monkeypatch):
    def full(self, roles, out, progress):
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr(Made, "run", full)
    many = [Run(step=Made(value=n), title=f"{n}") for n in range(5)]
    failures = carried_out(many, Store(tmp_path), Heard())
    assert [failure.needs_another for failure in failures] == [False, True, True, True, True]
    assert failures[1].reason == "not run, because the disk is full or cannot be written"


def test_a_forced_run_keeps_the_old_result_until_the_new_is_whole(tmp_path, monkeypatch):
    store = Store(tmp_path)
    good = next(run for run in runs() if run.title == "good")
    carried_out([good], store, Heard())
    before = store.stamp(good)
    assert to_do([good], store) == []
    todo = to_do([good], store, force=True)
    assert todo == [Attempt(good, replace=before)]

    def bad(self, roles, out, progress):
        assert store.stamp(good) == before
        raise ValueError("worse than before")

    made = Made.run
    monkeypatch.setattr(Made, "run", bad)
    (failure,) = run_here(todo, store, Heard())
    assert failure.reason == "ValueError: worse than before"
    assert store.stamp(good) == before
    monkeypatch.setattr(Made, "run", made)
    forget_failures([good], store, retry=True)
    assert run_here(todo, store, Heard()) == []
    assert store.stamp(good) != before
    # What was asked for is there now: asked for once more by the same stamp, it is not done a third time.
    monkeypatch.setattr(Made, "run", bad)
    assert run_here(todo, store, Heard()) == []
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [good.id]


def test_two_processes_give_what_one_does(tmp_path):
    preset = read_preset("smoke")
    inputs = paper_inputs(preset)
    todo = [Attempt(arrays_run(task, inputs.fingerprints)) for task in inputs.regions[0].test]
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    assert run_here(todo, here, Heard()) == []
    heard = Heard()
    assert run_on_workers(todo, there, heard, workers=2) == []
    assert set(heard.ended) == {attempt.run.id for attempt in todo}
    for run in (attempt.run for attempt in todo):
        with (
            np.load(here.folder(run) / "arrays.npz") as one,
            np.load(there.folder(run) / "arrays.npz") as two,
        ):
            assert all(np.array_equal(one[key], two[key]) for key in one.files)
