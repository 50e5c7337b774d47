import pytest
from mtneuro_data import builtin_task

from mtneuro_suite.preset.task_files import read_tasks


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([("semantics", {})], "give a task of kind region"),
        ([("roi-c1", {}), ("roi-c1", {})], "names of their own"),
        (
            [("roi-c1", {}), ("semantics", {}), ("semantics", {"name": "again"})],
            "give one task of kind semantics",
        ),
    ],
)
def test_tasks_that_make_no_benchmark_are_refused(task_file, names, message):
    with pytest.raises(ValueError, match=message):
        read_tasks([task_file(name, **changes) for name, changes in names])


def test_tasks_are_read_in_the_order_of_their_files(task_file):
    files = [task_file("semantics", name="counted"), task_file("roi-c1", name="layers")]
    assert [(task.name, task.kind) for task in read_tasks(files)] == [
        ("counted", "semantics"),
        ("layers", "region"),
    ]


def test_a_task_without_the_split_that_its_kind_needs_is_refused(task_file):
    file = task_file("roi-c1", splits={"train": builtin_task("roi-c1").splits["train"]})
    with pytest.raises(ValueError, match=r"'roi-c1' of kind region must have the split 'test', got train"):
        read_tasks([file])


def test_a_missing_task_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.toml"):
        read_tasks([str(tmp_path / "absent.toml")])
