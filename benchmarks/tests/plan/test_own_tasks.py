from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_tasks
from mtneuro_suite.report.tables import all_tables


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
