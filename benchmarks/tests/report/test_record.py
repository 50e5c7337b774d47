"""Results are kept as a record, and others are set beside it."""

import csv
import shutil
from pathlib import Path

import pytest

from mtneuro_suite import SUITE_VERSION
from mtneuro_suite.commands import compare
from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.report import record as module
from mtneuro_suite.report.about import read_about, read_results
from mtneuro_suite.report.record import RECORD, Record, beside_study, read_record


@pytest.fixture(scope="module")
def results(small_preset, carried_out, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    carried_out(small_preset, folder, "smoke")
    (folder / "smoke" / "report.html").write_text("<html>")
    return folder / "smoke"


@pytest.fixture(scope="module")
def kept(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records") / "study"
    assert compare.record(results, output=folder).endswith(f"of runs written to {folder}")
    return folder


@pytest.fixture
def copied(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "study"))


def test_a_record_has_the_numbers_and_what_made_each_run(results, kept):
    assert (kept / "results.csv").read_bytes() == (results / "results.csv").read_bytes()
    record = Record.model_validate_json((kept / RECORD).read_bytes())
    assert record.suite_version == SUITE_VERSION
    with (kept / "runs.csv").open(newline="") as file:
        runs = list(csv.DictReader(file))
    assert [run["run"] for run in runs] == list(read_about(results).runs)
    assert sum(float(run["seconds"]) for run in runs) == pytest.approx(record.seconds, abs=0.1)
    assert {run["kind"] for run in runs} == {"arrays", "encoder", "floor", "regions"}


def test_its_page_shows_tables_and_the_figure(kept):
    page = (kept / "README.md").read_text("utf-8")
    for text in ("Table 1", "| PCA", "| arrays", "](figure.svg)", "### Times by kind of run"):
        assert text in page
    assert "<svg" in (kept / "figure.svg").read_text("utf-8")


def test_a_record_is_replaced_and_nothing_else_is(results, copied, tmp_path):
    with pytest.raises(FileExistsError, match="--force replaces it"):
        compare.record(results, output=copied)
    compare.record(results, output=copied, force=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("precious")
    with pytest.raises(ValueError, match="must be a new folder or hold a record"):
        compare.record(results, output=tmp_path / "other", force=True)
    assert (tmp_path / "other" / "mine.txt").read_text() == "precious"


def test_results_with_a_run_missing_are_not_kept(results, tmp_path):
    copy = Path(shutil.copytree(results.parent, tmp_path / "results"))
    lost = next((copy / "runs").glob("regions-*"))
    shutil.rmtree(lost)
    with pytest.raises(ValueError, match=f"the run {lost.name} is missing"):
        compare.record(copy / "smoke", output=tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_record_is_found_by_its_name_in_the_package_from_any_folder(copied, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RECORDS", tmp_path / "package")
    (tmp_path / "empty" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "empty")
    # A folder of that name without a record in it is none.
    with pytest.raises(FileNotFoundError, match="or one of none, got 'mine'"):
        read_record("mine")
    shutil.copytree(copied, tmp_path / "package" / "mine")
    assert read_record("mine").rows
    with pytest.raises(FileNotFoundError, match="or one of mine, got 'main'"):
        read_record("main")


def test_a_run_is_set_beside_a_record(results, kept):
    told = compare.compare(results, against=str(kept))
    assert "### Table 1, accuracy of region: ours against study" in told
    assert "| pca" in told
    assert " 0.000" in told


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda kept: (kept / "results.csv").write_text("task\n"), "has been changed since it was recorded"),
        (lambda kept: (kept / RECORD).write_text("{}"), "must describe a record"),
        (
            lambda kept: (kept / RECORD).write_text(
                (kept / RECORD).read_text().replace(f'"{SUITE_VERSION}"', '"0.0.1"', 1)
            ),
            f"it is of version 0.0.1 of the suite, and this is {SUITE_VERSION}",
        ),
    ],
)
def test_a_damaged_or_outdated_record_is_refused(copied, damage, why):
    damage(copied)
    with pytest.raises(ValueError, match=why):
        read_record(str(copied))


def test_what_is_no_record_is_told(results):
    with pytest.raises(FileNotFoundError, match=r"a record must be a folder .* got 'stduy'"):
        compare.compare(results, against="stduy")
    with pytest.raises(ValueError, match="give --rows, two models, or --against"):
        compare.compare(results, rows=("pca", "mean-sd"), against="study")
    assert len(read_results([results])) == 1


def test_a_report_sets_its_rows_beside_the_study_by_itself(results, kept, small_preset):
    plan = plan_of(small_preset)
    (own,) = read_results([results])
    assert beside_study(plan, own.rows, name="nowhere") == []
    (grid,) = beside_study(plan, own.rows, name=str(kept))
    assert {row[grid.columns.index("difference")] for row in grid.rows} == {0.0}
    other = plan_of(small_preset.model_copy(update={"source": "phantom?seed=3"}))
    assert beside_study(other, own.rows, name=str(kept)) == []
    renamed = small_preset.model_copy(update={"name": str(kept)})
    assert beside_study(plan_of(renamed), own.rows, name=str(kept)) == []
