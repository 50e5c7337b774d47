import json
from pathlib import Path
from typing import Any

import pytest
from mtneuro_data import (
    TaskSpec,
    builtin_task,
    croissant_metadata,
    dataset_card,
    read_task,
    task_names,
    task_schema,
)


def test_tasks_are_listed(shell: Any) -> None:
    status, out, _ = shell("tasks")
    assert (status, len(out.splitlines())) == (0, len(task_names()))
    assert "train 1080, val 120, test 200" in out


@pytest.mark.filterwarnings("ignore::mtneuro_data.TouchingCubesWarning")
@pytest.mark.parametrize("name", task_names())
def test_a_shown_task_is_a_task_file(shell: Any, tmp_path: Path, name: str) -> None:
    _, out, _ = shell("tasks", name, "--source", "phantom")
    (tmp_path / "mine.json").write_text(out)
    task = builtin_task(name).with_source("phantom")
    again = read_task(tmp_path / "mine.json")
    assert (again, again.fingerprint) == (task, task.fingerprint)
    assert shell("tasks", tmp_path / "mine.json")[1] == out


def test_a_task_of_ones_own_is_shown_in_full(shell: Any, tmp_path: Path, task: TaskSpec) -> None:
    own = task.replaced(label_map={"*": "cell", 1 << 60: "vessel"})
    (tmp_path / "own.json").write_text(own.model_dump_json())
    _, out, _ = shell("tasks", tmp_path / "own.json")
    assert json.loads(out)["label_map"] == {"*": 2, str(1 << 60): 1}


def test_the_schema_is_shown_alone(shell: Any) -> None:
    assert json.loads(shell("tasks", "--schema")[1]) == task_schema()
    status, _, err = shell("tasks", "roi-c1", "--schema")
    assert (status, "leave out roi-c1" in err) == (2, True)


def test_another_choice_of_a_papers_task_is_shown(shell: Any) -> None:
    for name in ("roi-c3", "roi-c3-3d"):
        shown = json.loads(shell("tasks", name, "--extra", "D", "--source", "phantom")[1])
        assert TaskSpec(**shown) == builtin_task(name, extra="D").with_source("phantom")
    shown = json.loads(shell("tasks", "roi-c1", "--reading", "original")[1])
    assert TaskSpec(**shown) == builtin_task("roi-c1", reading="original")
    assert "train 1076, val 116, test 200" in shell("tasks", "--reading", "original")[1]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("roi-c1", "--extra", "D"), "--extra is a choice of roi-c2 and roi-c3, got roi-c1"),
        (("roi-c2.toml", "--extra", "D"), "--extra is a choice of roi-c2 and roi-c3, got roi-c2.toml"),
        (("mine.json", "--reading", "original"), "--reading is a choice of the paper's tasks, got mine.json"),
        (("--schema", "--extra", "D"), "leave out --extra"),
    ],
)
def test_a_choice_that_a_task_does_not_have_is_refused(shell: Any, words: Any, text: str) -> None:
    status, _, err = shell("tasks", *words)
    assert (status, text in err) == (2, True)


def test_a_task_is_described_for_machines_and_for_people(shell: Any, tmp_path: Path) -> None:
    for_machines, for_people = tmp_path / "roi.json", tmp_path / "README.md"
    options = ("--extra", "D", "--source", "phantom", "--croissant", for_machines, "--card", for_people)
    status, told, _ = shell("tasks", "roi-c3", *options)
    task = builtin_task("roi-c3", extra="D").with_source("phantom")
    assert status == 0
    assert told.splitlines() == [
        f"5520 samples of roi-c3 described in {path}" for path in (for_machines, for_people)
    ]
    assert json.loads(for_machines.read_text("utf-8")) == croissant_metadata(task)
    assert for_people.read_text("utf-8") == dataset_card(task)


def test_who_describes_a_task_of_ones_own_is_told_what_to_add(
    shell: Any, tmp_path: Path, task_file: Path
) -> None:
    status, told, _ = shell("tasks", task_file, "--croissant", tmp_path / "small.jsonld")
    assert status == 0
    assert told.splitlines()[1] == "add its licence, creators and papers: only you know them"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--card", "a.md"), "--card describes one task: name it"),
        (("--schema", "--croissant", "a.json"), "--croissant describes one task"),
        (("roi-c1", "--croissant", "a.txt"), "a Croissant description must be written to a .json or .jsonld"),
        (("roi-c1", "--card", "a.json"), "a dataset card must be written to a .md"),
        (("roi-c1", "--force"), "--force is for --croissant and --card"),
    ],
)
def test_a_description_that_cannot_be_is_refused(
    shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: Any, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = shell("tasks", *words)
    assert (status, text in err) == (2, True)
    assert not list(tmp_path.glob("a.*"))


def test_a_description_that_is_there_is_replaced_only_by_force(shell: Any, tmp_path: Path) -> None:
    mine, other = tmp_path / "README.md", tmp_path / "roi.json"
    mine.write_text("my own words")
    words = ("tasks", "roi-c1", "--card", mine, "--croissant", other)
    status, _, err = shell(*words)
    assert (status, "--force replaces it" in err) == (2, True)
    assert (mine.read_text(), other.exists()) == ("my own words", False)
    assert shell(*words, "--force")[0] == 0
    assert mine.read_text("utf-8") == dataset_card(builtin_task("roi-c1"))
