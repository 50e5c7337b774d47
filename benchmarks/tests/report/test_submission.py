"""What may be submitted, and what is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mtneuro_probe import load_embeddings, save_embeddings

from mtneuro_suite._shared.digests import file_digest
from mtneuro_suite.commands.compare import leaderboard
from mtneuro_suite.commands.submit import submit
from mtneuro_suite.plan.asked import asked_samples
from mtneuro_suite.preset.overrides import with_own_row
from mtneuro_suite.report.about import FILE_NAME
from mtneuro_suite.report.comparison import paired_grid
from mtneuro_suite.report.submission import (
    _impossible,
    read_all_results,
    read_submission,
    submission_of,
    write_submission,
)
from mtneuro_suite.runs.row import Row

ROW = "By hand"
MINE = "smoke-with-By_hand"


@pytest.fixture(scope="module")
def results(small_preset, carried_out, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real results of a few methods, and beside them those of somebody's embeddings."""
    folder = tmp_path_factory.mktemp("results")
    plan = carried_out(small_preset, folder, "smoke")
    names = np.concatenate([one.names for one in asked_samples(plan.runs)])
    embeddings = np.random.default_rng(0).normal(size=(len(names), 3)).astype(np.float32)
    save_embeddings(folder / "mine.npz", embeddings, sample_id=names)
    preset, *_ = with_own_row(small_preset, embeddings=[f"{ROW}={folder / 'mine.npz'}"])
    carried_out(preset, folder, MINE)
    return folder


@pytest.fixture
def copied(results: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(results, tmp_path / "results"))


def submitted(folder: Path, **given: object) -> str:
    made = submission_of(folder, name="mine", by="A. Person", **given)  # type: ignore[arg-type]
    return made.model_dump_json()


def test_a_submission_holds_every_number_and_what_made_it(results, tmp_path):
    made = submission_of(results / "smoke", name="ours", by="A. Person", link="paper")
    (plain,) = read_all_results([results / "smoke"])
    assert set(made.results.rows) == set(plain.rows)
    assert made.phantom_version is not None
    assert {row.model for row in made.results.rows} == {"pca", "mean-sd"}
    for entry in made.entries:
        assert entry.made_with.versions["numpy"] == np.__version__
        assert set(entry.data) == {row.task for row in entry.numbers}
    file = tmp_path / "ours.submission.json"
    write_submission(made, file)
    assert read_submission(file) == made


def test_a_submission_of_embeddings_from_elsewhere_is_paired_with_a_folder(results, tmp_path):
    file = tmp_path / "mine.submission.json"
    write_submission(submission_of(results / MINE, name="mine", by="A", rows=[ROW]), file)
    made = read_submission(file)
    assert {row.model for row in made.results.rows} == {ROW}
    # Both are scored on the same samples, whoever made them.
    ours = submission_of(results / "smoke", name="ours", by="B", rows=["pca"])
    assert {one.data["roi-c1"] for one in made.entries} == {one.data["roi-c1"] for one in ours.entries}
    grid = paired_grid(read_all_results([results / "smoke", file]), f"mine:{ROW}", "smoke:pca")
    assert any(row[0] == "roi-c1" for row in grid.rows)


def test_the_commands_write_a_submission_and_a_leaderboard(results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = submit(results / "smoke", name="ours, small", by="A. Person")
    assert told == "2 models with 12 numbers written to ours_small.submission.json"
    with pytest.raises(FileExistsError, match="--force replaces it"):
        submit(results / "smoke", name="ours, small", by="B")
    assert leaderboard(tmp_path) == "1 submission written to leaderboard.html"
    assert "A. Person" in (tmp_path / "leaderboard.html").read_text("utf-8")
    with pytest.raises(ValueError, match="give at least one submission"):
        leaderboard(output=tmp_path / "other.html")


def test_no_folder_of_this_machine_is_in_the_file(results):
    text = submitted(results / MINE, rows=[ROW])
    assert str(results) not in text
    assert "mine.npz" in text


def lose_a_run(folder: Path) -> None:
    for path in (folder / "runs").glob("regions-*"):
        shutil.rmtree(path)


def edit_a_table(folder: Path) -> None:
    path = folder / "smoke" / "results.csv"
    lines = path.read_text("utf-8").splitlines()
    place = next(i for i, line in enumerate(lines) if ",accuracy_corners,,0" in line)
    fields = lines[place].split(",")
    fields[7] = "0.987"
    lines[place] = ",".join(fields)
    path.write_text("\n".join(lines) + "\n", "utf-8")


def edit_a_result(folder: Path, change: Callable[[dict[str, object]], None], kind: str = "regions") -> None:
    for path in (folder / "runs").glob(f"{kind}-*/result.json"):
        content = json.loads(path.read_text("utf-8"))
        change(content)
        path.write_text(json.dumps(content), "utf-8")


def other_phantom(folder: Path) -> None:
    for path in (folder / "runs").glob("arrays-*/arrays.npz"):
        with np.load(path) as arrays:
            content = dict(arrays)
        content["fingerprint"] = np.array("0" * 16)
        np.savez(path, **content)

    def measured_again(content: dict[str, object]) -> None:
        for name, written in content["files"].items():  # type: ignore[attr-defined]
            file = folder / "runs" / str(content["run"]) / name
            written |= {"bytes": file.stat().st_size, "sha256": file_digest(file)}

    edit_a_result(folder, measured_again, "arrays")


def damage(folder: Path) -> None:
    path = next((folder / "runs").glob("arrays-*/arrays.npz"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def older_suite(folder: Path) -> None:
    path = folder / "smoke" / FILE_NAME
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "suite_version": "0.0.9"}), "utf-8")


def no_names(folder: Path) -> None:
    path = folder / "smoke" / FILE_NAME
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "scored": {}}), "utf-8")


def fewer_samples(folder: Path) -> None:
    def change(content: dict[str, object]) -> None:
        content["extra"]["images"] -= 1  # type: ignore[index]

    edit_a_result(folder, change, "arrays")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lose_a_run, r"the run regions-\w+ is missing: run the same command again"),
        (edit_a_table, "results.csv has 1 numbers that no run gave, the first"),
        (other_phantom, "of another version of the phantom"),
        (damage, "no longer holds what was written: run the same command again"),
        (older_suite, "is of version 0.0.9 of the suite, and this is 0.1.0"),
        (no_names, "says not which runs its numbers are of"),
        (fewer_samples, r"must be \d+ samples, got \d+"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused_in_one_line(copied, spoil, told):
    spoil(copied)
    with pytest.raises(ValueError, match=told) as refused:
        submitted(copied / "smoke")
    assert "\n" not in str(refused.value)


def test_embeddings_that_lack_samples_are_refused(copied):
    (path,) = (copied / "runs").glob("embeddings-*/embeddings.npz")
    found = load_embeddings(path)
    save_embeddings(path, found.embeddings[:-1], sample_id=found.sample_id[:-1])

    def measured_again(content: dict[str, object]) -> None:
        content["files"]["embeddings.npz"] = {  # type: ignore[index]
            "bytes": path.stat().st_size, "sha256": file_digest(path),
        }  # fmt: skip

    edit_a_result(copied, measured_again, "embeddings")
    with pytest.raises(ValueError, match="lacks 1, the first"):
        submitted(copied / MINE, rows=[ROW])


def test_an_impossible_number_is_refused(copied):
    def change(content: dict[str, object]) -> None:
        for row in content["rows"]:  # type: ignore[attr-defined]
            row["value"] = 1.5

    edit_a_result(copied, change)
    with pytest.raises(ValueError, match=r"accuracy_corners cannot be 1\.5"):
        submitted(copied / "smoke")


def test_a_feature_that_the_tissue_has_not_needs_no_samples_but_a_note():
    row = Row(
        task="mine", training_set="", test_set="", model="byol", seed=1, metric="r2_held_out", value=None, n=0
    )
    assert list(_impossible([replace(row, note="no sample has the feature")])) == []
    for wrong in (row, replace(row, note="none", value=0.5), replace(row, note="none", n=-1)):
        assert len(list(_impossible([wrong]))) == 1


def test_a_folder_of_several_results_is_refused(results):
    with pytest.raises(ValueError, match="holds several results; submit one of them: smoke, smoke-with-By_h"):
        submitted(results)


def test_an_unknown_row_is_refused(results):
    with pytest.raises(ValueError, match=r"'byol' is none of its rows \(mean-sd, pca\)"):
        submitted(results / "smoke", rows=["byol"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "must be a submission: "),
        ("no json", "must be a submission: "),
        ('{"submission_version": 2}', "submission_version"),
    ],
)
def test_a_file_that_is_no_submission_is_refused(tmp_path, text, told):
    path = tmp_path / "x.submission.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=told):
        read_submission(path)


def test_a_file_that_was_changed_is_refused(results, tmp_path):
    path = tmp_path / "x.submission.json"
    write_submission(submission_of(results / "smoke", name="ours", by="A"), path)
    path.write_text(path.read_text("utf-8").replace('"by": "A"', '"by": "B"'))
    with pytest.raises(ValueError, match="has been changed since it was written"):
        read_submission(path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`mtneuro submit` writes one"):
        read_submission(tmp_path / "x.submission.json")


def test_results_of_one_name_are_refused(results, tmp_path):
    path = tmp_path / "x.submission.json"
    write_submission(submission_of(results / "smoke", name="smoke", by="A"), path)
    with pytest.raises(ValueError, match="two of the results are called 'smoke'"):
        read_all_results([results / "smoke", path])
