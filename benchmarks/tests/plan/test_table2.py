import pytest

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.steps import Arrays


def test_table_a4_sets_learning_rate_and_batch():
    (run,) = [
        run
        for run in plan_of(read_preset("table2")).networks
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


def test_the_choice_of_a_search_is_trained_again_with_every_seed_on_all_training_slices():
    changes = ['task2.models=["unet"]', "task2.rows={}", 'task2.classes=["4class"]', "seeds=[3, 5]"]
    plan = plan_of(with_values(read_preset("search"), changes))
    tried = [run for run in plan.networks if run not in plan.segmenters]
    assert {run.step.seed for run in tried} == {3}
    (choice,) = plan.selections
    assert choice.needs == {"candidates": tuple(tried)}
    assert [(run.step.kind, run.step.seed) for run in plan.segmenters] == [("retrained", 3), ("retrained", 5)]
    for run in plan.segmenters:
        assert run.needs["choice"] == (choice,)
        assert (run.step.training_set, run.step.test_set) == ("seg-2d-4class:train+val", "seg-2d-4class:test")
        parts = [
            need.step.task.splits["all"][0] for need in run.needs["train"] if isinstance(need.step, Arrays)
        ]
        assert [part.z for part in parts] == [(110, 380), (380, 410)]


def test_the_paper_preset_scores_the_papers_networks():
    plan = plan_of(with_values(read_preset("paper"), ["task1=none", "task3=none"]))
    # Nine networks and the 2D U-Net with an encoder, two class settings, five seeds.
    assert len(plan.segmenters) == 10 * 2 * 5
    assert len(plan.selections) == 10 * 2
    with_encoder = {run.step.train.encoder_name for run in plan.segmenters if "Effic" in run.step.model}
    assert with_encoder == {"efficientnet-b7"}


def test_a_row_like_a_network_of_the_papers_has_its_settings():
    plan = plan_of(with_values(read_preset("table2"), ["seeds=[1]", "task2.per_model.unet.augment=true"]))
    plain, encoded = (
        run.step.train
        for name in ("unet", "unet (EfficientNet-b7)")
        for run in plan.segmenters
        if (run.step.model, run.step.task) == (name, "seg-2d-3class")
    )
    assert (encoded.learning_rate, encoded.batch_size, encoded.augment) == (0.1, 8, True)
    assert encoded.model_copy(update={"encoder_name": None}) == plain


@pytest.mark.parametrize("name", ["UNet_2D_3class", "UNet_2D_4class", "UNet_3D_3class", "UNet_3D_4class"])
def test_the_original_preset_trains_networks_as_the_published_files_say(real_data, name):
    from mtneuro_seg import load_settings

    published = load_settings(real_data / "original_json" / "2022-11" / "networkconfig" / f"{name}.json")
    axes, classes = name.removeprefix("UNet_").split("_")
    plan = plan_of(with_values(read_preset("original"), ["task1=none", "task3=none"]))
    (run,) = (run for run in plan.segmenters if run.step.task == f"seg-{axes.lower()}-{classes}")
    # What the plain U-Net has by itself is named in the files; slices that the last subvolume lacks are not
    # learnt.
    ours = {"device", "activation", "ignore_label"}
    assert run.step.train.model_dump(exclude=ours) == published.model_dump(exclude=ours)
    assert published.activation == "relu"


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
