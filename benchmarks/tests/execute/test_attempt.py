import importlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from typing import ClassVar

import pytest

from mtneuro_suite.execute.attempt import Attempt, execute
from mtneuro_suite.runs.failure import read_note
from mtneuro_suite.runs.lease import Watch, lease
from mtneuro_suite.runs.logs import training_logs
from mtneuro_suite.runs.repair import DamagedInputError
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


def test_logs_are_asked_for_beside_a_run_whose_name_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    told = []

    def trained(self, roles, out, progress):
        told.extend(training_logs(lambda names, **options: [(names, options["folder"], options["run"])], out))
        return Outcome()

    monkeypatch.setattr(Work, "run", trained)
    store, run = Store(tmp_path), Run(step=Work(), title="x")
    assert execute(Attempt(run, logs=("wandb",)), tmp_path, ignored)
    assert told == [(("wandb",), tmp_path / "logs", f"x, {run.id}")]
    assert store.done(run)


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


def test_a_run_that_is_resumed_counts_what_its_interrupted_attempt_spent(tmp_path, monkeypatch):
    def interrupted(self, roles, out, progress):
        time.sleep(0.3)
        raise KeyboardInterrupt

    store, run = Store(tmp_path), Run(step=Work(), title="x")
    with monkeypatch.context() as patched:
        patched.setattr(Work, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            execute(Attempt(run), tmp_path, ignored)
    kept = json.loads((store.partial(run) / "spent.json").read_text())
    assert kept["seconds"] >= 0.3
    assert execute(Attempt(run), tmp_path, ignored)
    made = store.result(run)["provenance"]
    assert made["seconds"] >= round(kept["seconds"], 2)
    assert made["cpu_seconds"] >= kept["cpu_seconds"]


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


class Reads(Step):
    """Reads what it needs."""

    kind: ClassVar = "reads"

    def run(self, roles, out, progress):
        if (roles["work"][0] / "array").read_text() != "whole":
            raise ValueError("bad magic number")
        return Outcome()


@pytest.fixture
def reading(tmp_path):
    """A store, a run that has finished, and one that reads it."""
    store, work = Store(tmp_path), Run(step=Work(), title="work")
    (store.start(work) / "array").write_text("whole")
    store.finish(work, [], extra={}, seconds=0)
    return store, work, Run(step=Reads(), title="reads", needs={"work": (work,)})


@pytest.mark.parametrize(
    ("content", "damage"), [("", "must have 5 bytes, got 0"), ("WHOLE", "no longer holds what was written")]
)
def test_a_damaged_input_is_noticed_by_who_needs_it_and_made_again_by_the_next_start(
    reading, content, damage
):
    store, work, reads = reading
    path = store.folder(work) / "array"
    path.write_text(content)
    with pytest.raises(DamagedInputError, match=f"an input is damaged: {path} {damage}; run the same"):
        execute(Attempt(reads), store.root, ignored)
    assert not store.done(work)
    note = read_note(store, reads)
    assert note is not None
    assert note.of_surroundings, "the next start tries again unasked"


def test_an_error_over_whole_inputs_is_told_as_it_is(reading, monkeypatch):
    def bad(self, roles, out, progress):
        raise ValueError("no such class")

    monkeypatch.setattr(Reads, "run", bad)
    store, work, reads = reading
    with pytest.raises(ValueError, match="no such class"):
        execute(Attempt(reads), store.root, ignored)
    assert store.done(work)


STEP = """
import os, time
from pathlib import Path
from typing import ClassVar
from mtneuro_suite.runs.step import Outcome, Step

class Slow(Step):
    kind: ClassVar = "slow"
    how: str

    def run(self, roles, out, progress):
        (out / "by").write_text(str(os.getpid()))
        print("at work", flush=True)
        while not (out.parent.parent / "go on").exists():
            if self.how == "telling":
                progress(0, 1)
            time.sleep(0.02)
        if self.how == "writing":
            (out / "more").write_text(str(os.getpid()))
        return Outcome(extra={"by": os.getpid()})
"""

HOLD = """
import sys
from pathlib import Path
from slow_step import Slow
from mtneuro_suite.execute.attempt import Attempt, execute
from mtneuro_suite.runs.run import Run
run = Run(step=Slow(how=sys.argv[2]), title="slow")
print("done" if execute(Attempt(run), Path(sys.argv[1]), lambda done, total: None) else "gave up", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is stopped there")
@pytest.mark.parametrize("how", ["telling", "silent", "writing"])
def test_a_holder_that_was_stopped_gives_up_once_its_run_was_taken_over(tmp_path, monkeypatch, how):
    (tmp_path / "slow_step.py").write_text(STEP)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, "slow_step", raising=False)
    run = Run(step=importlib.import_module("slow_step").Slow(how=how), title="slow")
    store, root = Store(tmp_path / "out"), tmp_path / "out"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root), how], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "at work\n"
            os.kill(process.pid, signal.SIGSTOP)
            assert not execute(Attempt(run), root, ignored), "a stopped process is not a dead one"
            watch = Watch(stale_after=0.3)
            end = time.monotonic() + 30
            while (stale := watch.stale_lease(store.folder(run))) is None and time.monotonic() < end:
                time.sleep(0.02)
            assert stale == 1
            (root / "go on").touch()
            assert execute(Attempt(run, stale_lease=stale), root, ignored)
            os.kill(process.pid, signal.SIGCONT)
            assert process.stdout.readline() == "gave up\n"
        finally:
            process.kill()
    assert store.result(run)["extra"] == {"by": os.getpid()}
    assert store.damage(run, thoroughly=True) is None
    assert (store.folder(run) / "by").read_text() == str(os.getpid())
    assert [path.name for path in (root / "runs").iterdir()] == [run.id]
