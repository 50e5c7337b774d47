import pytest

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.steps import Arrays


def test_table_a4_sets_learning_rate_and_batch():
    (run,) = [
        run
        for run in plan_of(read_preset("paper")).networks
        if (run.step.model, run.step.task, run.step.seed) == ("manet", "seg-2d-3class", 1)
    ]
    assert (run.step.train.learning_rate, run.step.train.batch_size) == (0.01, 2)


def test_a_search_trains_every_point_and_scores_it_on_validation_alone():
    plan = plan_of(read_preset("search"))
    of_unet = [r for r in plan.networks if r.step.task == "seg-2d-4class" and "unet lr" in r.title]
    assert len(of_unet) == 25
    assert {run.step.test_set for run in of_unet} == {"seg-2d-4class:val"}
    assert len({(r.step.train.learning_rate, r.step.train.batch_size) for r in of_unet}) == 25
    parts = [
        need.step.task.splits["all"][0]
        for run in of_unet
        for need in run.needed
        if isinstance(need.step, Arrays)
    ]
    assert {part.z for part in parts} == {(110, 380), (380, 410)}


def test_the_paper_preset_scores_the_papers_networks():
    plan = plan_of(with_values(read_preset("paper"), ["task1=none", "task3=none"]))
    # Nine networks, two class settings, five seeds.
    assert len(plan.segmenters) == 9 * 2 * 5


def test_a_network_is_trained_in_its_own_number_of_dimensions_only():
    plan = plan_of(with_values(read_preset("table2"), ["seeds=[1]"]))
    tasks = {run.step.model: run.step.task for run in plan.networks if run.step.task.endswith("3class")}
    assert (tasks["unet"], tasks["unet3d"]) == ("seg-2d-3class", "seg-3d-3class")


def test_images_that_a_network_cannot_take_are_refused_with_the_nearest_size():
    # A quarter of 256 pixels is 64; the deepest level of a U-Net of 8 levels needs a multiple of 128.
    preset = with_values(read_preset("smoke"), ["task1=none", "task3=none", "task2.settings.levels=8"])
    with pytest.raises(ValueError, match=r"got 64 x 64 .*the nearest it takes is 128 x 128: lower"):
        plan_of(preset)


def test_in_the_originals_reading_subvolumes_run_across_regions_and_what_the_last_lacks_is_not_learnt():
    demo = with_values(read_preset("demo"), ["task1=none", "task3=none", "reading=original"])
    across = {
        (need.step.task.depth, need.step.task.across_cubes, run.step.train.ignore_label)
        for run in plan_of(demo).networks
        for need in run.needed
        if isinstance(need.step, Arrays)
    }
    assert across == {(1, False, None), (8, True, 255)}
