import json

import pytest

from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import Store, csv_text
from mtneuro_suite.steps import Umap


@pytest.fixture
def run() -> Run:
    return Run(step=Umap(model="byol", neighbours=9, seed=1), title="UMAP")


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path)


def finish(store, run, rows=(), **extra):
    store.start(run)
    store.finish(run, rows, extra=extra, seconds=0)


def test_a_run_is_done_once_its_folder_has_its_final_name(store, run):
    partial = store.start(run)
    (partial / "points.npy").write_bytes(b"points")
    assert not store.done(run)
    store.finish(run, [], extra={}, seconds=0)
    assert store.done(run)
    assert (store.folder(run) / "points.npy").read_bytes() == b"points"
    assert not partial.exists()


def test_a_newer_result_takes_the_place_of_an_older(store, run):
    finish(store, run, which="older")
    finish(store, run, which="newer")
    assert store.result(run)["extra"] == {"which": "newer"}
    assert [path.name for path in store.folder(run).parent.iterdir()] == [run.id]


def test_what_an_interrupted_attempt_left_is_cleared_but_for_its_log(store, run):
    partial = store.start(run)
    assert not store.begun(run)
    (partial / "model").mkdir()
    (partial / "model" / "checkpoint").touch()
    assert store.begun(run)
    store.clear(run)
    assert [path.name for path in partial.iterdir()] == ["run.log"]


def test_rows_are_read_back_from_the_runs_that_are_done(store, run, row):
    rows = [row("byol", 1, 0.5), row("byol", 1, None, class_name="cell")]
    finish(store, run, rows)
    waiting = Run(step=Umap(model="pca", neighbours=9, seed=1), title="not done")
    assert store.rows([run, waiting]) == rows


def test_a_result_that_is_not_one_of_this_version_is_refused(store, run):
    finish(store, run)
    path = store.folder(run) / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "result_version": 99}))
    with pytest.raises(ValueError, match="must have result_version 1, got 99; use another --output"):
        store.result(run)
    path.write_text("{")
    with pytest.raises(ValueError, match="is not a result file; delete"):
        store.result(run)


def test_an_undefined_value_is_an_empty_cell_of_the_csv(row):
    header, line = csv_text([row("a, b", 1, None, n=3)]).splitlines()
    cells = dict(zip(header.split(","), line.replace('"a, b"', "a").split(","), strict=True))
    assert (cells["model"], cells["value"], cells["n"]) == ("a", "", "3")
