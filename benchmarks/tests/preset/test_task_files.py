import pytest
from mtneuro_data import builtin_task

from mtneuro_suite.preset.task_files import learnt_splits, read_tasks, regions_to_tell_apart


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([("roi-c1", {}), ("roi-c1", {})], "names of their own"),
        (
            [("roi-c1", {}), ("semantics", {}), ("semantics", {"name": "again"})],
            "give one task of kind semantics",
        ),
        ([("roi-c1", {"intensity": ["0.5%", "99.5%"]})], "intensity must be numbers here, got .*0.5%"),
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


def test_a_region_task_is_learnt_from_train_and_val_and_a_semantics_task_from_all():
    assert learnt_splits(builtin_task("roi-c1")) == ("train", "val")
    assert learnt_splits(builtin_task("semantics")) == ("all",)


def test_regions_are_those_that_training_images_may_have():
    task = builtin_task("roi-c1")
    assert regions_to_tell_apart(task.replaced(annotation=None, roi_map={})) == task.regions
    (part,) = task.splits["train"]
    one = {"train": (part.model_copy(update={"cubes": part.cubes[:1]}),), "test": task.splits["test"]}
    without_labels = task.replaced(annotation=None, roi_map={}, splits=one)
    assert regions_to_tell_apart(without_labels) == (task.cubes[part.cubes[0]].region,)
    # Labels of a region task may say otherwise than its cubes.
    assert regions_to_tell_apart(task.replaced(splits=one)) == task.regions


def test_a_missing_task_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.toml"):
        read_tasks([str(tmp_path / "absent.toml")])
