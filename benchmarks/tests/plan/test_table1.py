import pytest

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import Preset, read_preset
from mtneuro_suite.preset.overrides import with_values


def of_task_1(name: str, *changes: str) -> Preset:
    """Return a preset without Tasks 2 and 3."""
    return with_values(read_preset(name), ["task2=none", "task3=none", *changes])


def test_roi_c2_trains_nothing():
    encoders = plan_of(read_preset("demo")).encoders
    assert {run.title.split(" on ")[1].split(",")[0] for run in encoders} == {"roi-c1", "roi-c3[B]"}


def test_the_paper_preset_trains_the_papers_encoders():
    encoders = plan_of(of_task_1("paper")).encoders
    trained = [run for run in encoders if run.step.train.method != "untrained"]
    # Two training sets: PCA has no seed; mixup has five probabilities.
    assert len(trained) == 2 * (5 * (1 + 5 + 3 + 1) + 1)


def test_a_methods_own_settings_go_before_those_of_all_methods():
    preset = of_task_1("demo", "task1.settings.steps=7", "task1.per_method.byol.steps=9")
    steps = {run.step.train.method: run.step.train.steps for run in plan_of(preset).encoders}
    assert (steps["byol"], steps["myow"]) == (9, 7)


def test_a_batch_larger_than_the_training_set_is_refused():
    # Set A has 4 cubes; of each, one slice of the train range and one of the validation range is taken.
    preset = of_task_1("demo", "task1.z_step=300", "task1.per_method={}", 'task1.methods=["byol"]')
    with pytest.raises(ValueError, match=r"'byol' on roi-c1 must have at least batch_size 24 .*got 8; lower"):
        plan_of(preset)
