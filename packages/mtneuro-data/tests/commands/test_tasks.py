import json
from pathlib import Path
from typing import Any

import pytest
from mtneuro_data import TaskSpec, builtin_task, read_task, task_names, task_schema


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
