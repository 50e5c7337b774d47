import json
import os

import pytest

from mtneuro_suite._shared.files import name_beside
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
    (partial / "spent.json").touch()
    assert not store.begun(run), "there is something to go on from"
    store.clear(run)
    assert {path.name for path in partial.iterdir()} == {"run.log", "spent.json"}
    store.finish(run, [], extra={}, seconds=0)
    assert {path.name for path in store.folder(run).iterdir()} == {"run.log", "result.json"}


def test_rows_are_read_back_from_the_runs_that_are_done(store, run, row):
    rows = [row("byol", 1, 0.5), row("byol", 1, None, class_name="cell")]
    finish(store, run, rows)
    waiting = Run(step=Umap(model="pca", neighbours=9, seed=1), title="not done")
    assert store.rows([run, waiting]) == rows


def test_a_result_of_another_version_is_refused_and_not_taken_for_damaged(store, run):
    finish(store, run)
    path = store.folder(run) / "result.json"
    path.write_text(json.dumps({"result_version": 99}))
    assert store.done(run)
    with pytest.raises(ValueError, match="must have result_version 1, got 99; use another --output"):
        store.result(run)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        '{"result_version": null}',
        '{"result_version": 1}',
        b"\xff\xfe\0".decode("latin1"),
    ],
)
def test_a_damaged_result_file_makes_its_run_undone_and_no_other(store, run, content, row):
    other = Run(step=Umap(model="pca", neighbours=9, seed=1), title="whole")
    finish(store, run)
    finish(store, other, [row("pca", 1, 0.5)])
    path = store.folder(run) / "result.json"
    path.write_text(content, encoding="latin1")
    assert not store.done(run)
    assert store.stamp(run) is None
    assert str(path) in store.damage(run)
    assert store.rows([run, other]) == [row("pca", 1, 0.5)]
    with pytest.raises(ValueError, match=r"must be a result file.* run the same command again"):
        store.result(run)


def test_rows_that_are_none_are_damage(store, run, row):
    finish(store, run, [row("byol", 1, 0.5)])
    path = store.folder(run) / "result.json"
    path.write_text(path.read_text().replace('"metric"', '"metre"'))
    assert f"{path} must be a result file; rows" in store.damage(run)


@pytest.mark.parametrize("key", ["rows", "extra", "provenance", "files"])
def test_a_result_file_with_null_in_place_of_a_value_is_damaged(store, run, key):
    finish(store, run)
    path = store.folder(run) / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: None}))
    assert f"{path} must be a result file; {key}" in store.damage(run)


@pytest.fixture
def with_file(store, run):
    """A finished run's file, of six bytes."""
    partial = store.start(run)
    (partial / "model").mkdir()
    (partial / "model" / "weights").write_bytes(b"123456")
    store.finish(run, [], extra={}, seconds=0)
    return store.folder(run) / "model" / "weights"


def test_a_file_that_is_cut_or_gone_makes_its_run_undone(store, run, with_file):
    assert store.done(run)
    assert store.damage(run, thoroughly=True) is None
    with_file.write_bytes(b"123")
    assert store.damage(run) == f"{with_file} must have 6 bytes, got 3"
    with_file.unlink()
    assert store.damage(run) == f"{with_file} is gone"
    assert not store.done(run)


def test_other_bytes_of_the_same_length_are_found_where_contents_are_compared(store, run, with_file):
    with_file.write_bytes(b"000000")
    assert store.done(run)
    assert store.damage(run, thoroughly=True) == f"{with_file} no longer holds what was written"
    store.set_aside(run)
    assert not store.done(run)
    assert with_file.exists()


def test_a_result_without_lengths_on_record_counts_as_before(store, run, with_file):
    path = store.folder(run) / "result.json"
    result = json.loads(path.read_text())
    del result["files"]
    path.write_text(json.dumps(result))
    with_file.unlink()
    assert store.damage(run, thoroughly=True) is None
    assert store.done(run)


def test_a_damaged_result_is_replaced_by_the_next(store, run, with_file):
    with_file.write_bytes(b"")
    finish(store, run, which="anew")
    assert store.result(run)["extra"] == {"which": "anew"}
    assert not with_file.exists()
    assert [path.name for path in store.folder(run).parent.iterdir()] == [run.id]


def test_what_is_renamed_into_place_is_on_the_disk(store, run, monkeypatch):
    partial = store.start(run)
    (partial / "points.npy").write_bytes(b"points")
    synchronised = []
    monkeypatch.setattr(os, "fsync", lambda file: synchronised.append(os.fstat(file).st_ino))
    store.finish(run, [], extra={}, seconds=0)
    folder = store.folder(run)
    wanted = [folder, *folder.iterdir(), folder.parent]
    assert {path.stat().st_ino for path in wanted} <= set(synchronised)


def test_what_a_killed_writer_left_is_gone_when_the_run_is_taken_up(store, run):
    partial = store.start(run)
    (partial / "model.partial").mkdir()
    name_beside(partial / "model.partial" / "last.ckpt").write_bytes(b"half")
    (partial / "model.partial" / "last.ckpt").write_bytes(b"whole")
    store.start(run)
    assert [path.name for path in (partial / "model.partial").iterdir()] == ["last.ckpt"]


def test_an_output_behind_a_link_is_written_through(tmp_path, run):
    (tmp_path / "disk").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "disk")
    store = Store(tmp_path / "results")
    finish(store, run)
    assert (tmp_path / "results").is_symlink()
    assert (tmp_path / "disk" / "runs" / run.id / "result.json").is_file()


def test_an_undefined_value_is_an_empty_cell_of_the_csv(row):
    header, line = csv_text([row("a, b", 1, None, n=3)]).splitlines()
    cells = dict(zip(header.split(","), line.replace('"a, b"', "a").split(","), strict=True))
    assert (cells["model"], cells["value"], cells["n"]) == ("a", "", "3")
