import pytest
from mtneuro_data import builtin_task

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import FLOORS, preset_names, read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.steps import Floor


def rows_of(preset, *changes):
    plan = plan_of(with_values(read_preset(preset), changes))
    scored = [run for run in plan.regions if run.step.model in FLOORS]
    read = [run for run in plan.semantics if run.step.model in FLOORS]
    return plan, scored, read


def test_every_preset_with_encoders_has_floors_but_the_original_one():
    for name in preset_names():
        preset = read_preset(name)
        for section in (preset.task1, preset.task3):
            assert section is None or bool(section.floors) == (name != "original")


@pytest.mark.parametrize(("name", "some"), [("smoke", True), ("original", False)])
def test_floors_are_rows_of_both_tables(name, some):
    _, scored, read = rows_of(name)
    assert {run.step.model for run in scored} == ({"mean-sd", "histogram", "spectrum"} if some else set())
    assert {run.step.model for run in read} == ({"region", "mean-sd", "spectrum"} if some else set())


def test_a_floor_is_scored_where_an_encoder_is_and_has_one_run_whatever_the_seeds():
    plan, scored, read = rows_of("demo", "seeds=[1, 2]")
    for floor in ("mean-sd", "histogram"):
        of_floor, of_pca = ([run for run in plan.regions if run.step.model == one] for one in (floor, "pca"))
        tested = [{role for role in run.needs if role.startswith("test")} for run in of_floor]
        assert all({role for role in run.needs if role.startswith("test")} in tested for run in of_pca)
        assert {run.step.seed for run in of_floor} == {1}
    assert {run.step.seed for run in read} == {1}
    assert all(isinstance(run.needs["encoder"][0].step, Floor) for run in (*scored, *read))


def test_floors_are_chosen_and_left_out():
    _, scored, read = rows_of("demo", 'task1.floors=["spectrum"]', "task3.floors=[]")
    assert ({run.step.model for run in scored}, read) == ({"spectrum"}, [])
    with pytest.raises(ValueError, match=r"task1.floors.0 must be 'mean-sd', 'histogram' or 'spectrum'"):
        rows_of("demo", 'task1.floors=["region"]')
    with pytest.raises(ValueError, match="each once"):
        rows_of("demo", 'task1.floors=["spectrum", "spectrum"]')
    with pytest.raises(ValueError, match="names of their own, got 'histogram'"):
        rows_of("demo", "task1.rows.histogram.method=pca")


def test_a_region_alone_tells_nothing_where_there_is_one(task_file):
    splits = {"all": ({"cubes": ("A-VP",), "z": (110, 470)},)}
    task = task_file("semantics", splits=splits, cubes={"A-VP": builtin_task("semantics").cubes["A-VP"]})
    preset = read_preset("demo").model_dump()
    preset.update(inputs="tasks", task_files=[task], task2=None)
    preset["task1"].update(methods=["byol"], per_method={})
    plan = plan_of(type(read_preset("demo")).model_validate(preset))
    assert {run.step.model for run in plan.semantics} == {"byol", "mean-sd", "spectrum"}
