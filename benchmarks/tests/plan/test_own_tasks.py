import pytest
from mtneuro_data import builtin_task

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_tasks
from mtneuro_suite.report.tables import all_tables


@pytest.fixture
def task_file(tmp_path):
    """Return a function that writes one of the paper's tasks, changed, as a file of a user's own."""

    def written(builtin, **changes):
        task = builtin_task(builtin).with_source("phantom").replaced(**changes)
        path = tmp_path / f"{task.name}.json"
        path.write_text(task.model_dump_json(), "utf-8")
        return str(path)

    return written


def test_own_tasks_take_the_place_of_the_papers(task_file):
    files = [
        task_file("roi-c1", name="layers"),
        task_file("seg-2d-3class", name="somata", class_names=("background", "vessel", "soma")),
        task_file("semantics", name="counted"),
    ]
    plan = plan_of(with_tasks(read_preset("demo"), files))
    assert [region.name for region in plan.inputs.regions] == ["layers"]
    (half,) = plan.inputs.segmentation
    assert {run.step.train.classes for run in plan.networks} == {3}
    assert plan.inputs.label_values == {"vessel": 1, "cell": 2, "axon": 3}
    assert {run.step.task for run in plan.semantics} == {"layers"}
    tables = {table.title: table for table in all_tables(plan, [])}
    assert tables["Table 1. Brain region"].columns == ("layers",)
    assert tables["Table 2. Microstructure, somata: F1"].columns == (
        "background",
        "vessel",
        "soma",
        "average",
    )
    assert not any(table.has_paper for table in tables.values())
    assert half.dimensions == 2


def test_a_kind_without_a_task_is_not_run(task_file):
    preset = with_tasks(read_preset("demo"), [task_file("seg-3d-4class", name="deep")])
    assert (preset.task1, preset.task3) == (None, None)
    assert {run.step.model for run in plan_of(preset).segmenters} == {"unet3d"}


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
        with_tasks(read_preset("demo"), [task_file(name, **changes) for name, changes in names])
