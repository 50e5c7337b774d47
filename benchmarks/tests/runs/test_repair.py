from contextlib import closing
from typing import ClassVar

import numpy as np
import pytest

from mtneuro_suite._shared.files import name_beside
from mtneuro_suite.runs.lease import lease
from mtneuro_suite.runs.repair import DamagedInputError, check_inputs, set_aside_damaged, tidy
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.step import Outcome, Step
from mtneuro_suite.runs.store import Store


class Made(Step):
    """Is made up."""

    kind: ClassVar = "made"
    number: int = 0

    def run(self, roles, out, progress):
        return Outcome()


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path)


def finished(store, number=0) -> Run:
    run = Run(step=Made(number=number), title=f"made {number}")
    np.save(store.start(run) / "array.npy", np.zeros(9, np.uint8))
    store.finish(run, [], extra={}, seconds=0)
    return run


def beside(store):
    return sorted(path.name for path in (store.root / "runs").iterdir())


def test_a_damaged_input_is_named_with_what_to_do(store):
    inputs = finished(store), finished(store, 1)
    reader = Run(step=Made(number=2), title="reader", needs={"made": inputs})
    check_inputs(reader, store)
    path = store.folder(inputs[1]) / "array.npy"
    path.write_bytes(b"")
    expected = f"an input is damaged: {path} must have 137 bytes, got 0; run the same command again"
    with pytest.raises(DamagedInputError, match=expected):
        check_inputs(reader, store)


def test_a_run_whose_contents_are_others_is_made_again_and_no_other(store):
    run, whole = finished(store), finished(store, 1)
    path = store.folder(run) / "array.npy"
    path.write_bytes(bytes(len(path.read_bytes())))
    assert store.done(run)
    assert set_aside_damaged([run, whole], store) == [f"{path} no longer holds what was written"]
    assert [store.done(one) for one in (run, whole)] == [False, True]
    assert set_aside_damaged([run, whole], store) == []


def test_a_damaged_run_that_another_process_makes_again_is_left_to_it(store):
    run = finished(store)
    (store.folder(run) / "array.npy").write_bytes(b"")
    held = lease(store.folder(run))
    assert held is not None
    with closing(held):
        assert set_aside_damaged([run], store) == []
    assert (store.folder(run) / "result.json").exists()


def test_what_killed_processes_left_beside_a_finished_run_is_removed(store):
    run, undone = finished(store), Run(step=Made(number=1), title="undone")
    runs = store.root / "runs"
    name_beside(runs / run.id).mkdir()
    name_beside(runs / f"{run.id}.failed.json").touch()
    (runs / f"{run.id}.failed.json").touch()
    (runs / f"{run.id}.partial" / "model.partial").mkdir(parents=True)
    (store.start(undone) / "half").touch()
    tidy([run, undone], store)
    assert beside(store) == sorted([run.id, f"{undone.id}.partial"])


def test_what_another_process_holds_is_left_to_it(store):
    run = finished(store)
    held = lease(store.folder(run))
    assert held is not None
    with closing(held):
        store.partial(run).mkdir()
        tidy([run], store)
        assert beside(store) == [run.id, f"{run.id}.lease-1", f"{run.id}.partial"]


def test_an_interrupted_attempt_that_was_forced_is_kept_to_go_on_from(store):
    run = finished(store)
    (store.start(run) / "checkpoint").touch()
    tidy([run], store)
    assert (store.partial(run) / "checkpoint").exists()


def test_an_output_without_runs_is_tidy(store):
    tidy([Run(step=Made(), title="new")], store)
