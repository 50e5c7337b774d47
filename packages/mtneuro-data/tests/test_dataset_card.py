import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import TaskSpec, builtin_task, dataset_card, load, read_task, task_names


def parts(card: str) -> tuple[dict[str, Any], str]:
    """Return the header of a card as hubs read it, and its text."""
    yaml = pytest.importorskip("yaml")
    _, header, text = card.split("---\n", 2)
    return yaml.safe_load(header), text


@pytest.mark.parametrize("name", task_names())
def test_a_card_of_a_built_in_task_has_header_samples_and_papers(name: str) -> None:
    task = builtin_task(name)
    header, text = parts(dataset_card(task))
    assert header["license"] == "cc-by-4.0"
    assert header["task_categories"][0].startswith("image-")
    low, high = {"n<1K": (0, 1000), "1K<n<10K": (1000, 10_000)}[header["size_categories"][0]]
    assert low <= sum(task.counts().values()) < high
    for split, count in task.counts().items():
        assert f"| {split} | {count} |" in text
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == [
        "Samples", "Load it", "Collection", "Annotation", "Use", "Limits",
        "Personal and sensitive information", "Maintenance", "Licence and citation",
    ]  # fmt: skip
    assert text.count("@inproceedings{quesada2022mtneuro,") == text.count("@article{prasad2020") == 1


@pytest.mark.parametrize(
    "task",
    [
        builtin_task("roi-c1"),
        builtin_task("seg-3d-4class").with_source("phantom"),
        builtin_task("roi-c3", extra="D"),
        builtin_task("roi-c1").with_source("phantom?seed=7"),
    ],
    ids=lambda task: task.image,
)
@pytest.mark.filterwarnings("ignore::mtneuro_data.TouchingCubesWarning")
def test_the_code_of_a_card_names_this_task(
    task: TaskSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(f"{task.name}.json").write_text(task.model_dump_json())
    (line,) = re.findall(r"^task = (.+)$", dataset_card(task), re.MULTILINE)
    made = eval(line, {"builtin_task": builtin_task, "read_task": read_task})
    assert made == task


def test_the_code_of_a_card_runs_as_it_stands(
    task: TaskSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.json").write_text(task.model_dump_json())
    (code,) = re.findall(r"```python\n(.*?)```", dataset_card(task), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    np.testing.assert_array_equal(names["arrays"].images, load(task, "train").images)
    assert capsys.readouterr().out == "(20, 32, 48) uint8 ('CTX', 'STR')\n"


def test_a_card_of_ones_own_task_leaves_to_be_said_what_only_its_owner_knows(
    task: TaskSpec, tmp_path: Path
) -> None:
    card = dataset_card(task)
    header, text = parts(card)
    assert header["license"] == "unknown"
    assert "annotations_creators" not in header
    assert header["pretty_name"] == "small"
    assert text.count("Not stated. Say it here: only you know.") == 7
    assert "MTNeuro benchmark" not in card
    assert str(tmp_path) not in card


def test_the_words_of_a_header_stay_what_they_are() -> None:
    task = builtin_task("roi-c1").replaced(name='a: "b" #c\u00fc')
    header, _ = parts(dataset_card(task))
    assert header["pretty_name"].startswith('a: "b" #c\u00fc: ')
