import json

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
    # Two training sets, and two further resolutions of one: PCA has no seed; mixup has five probabilities;
    # supervised training has two weight decays.
    assert len(trained) == (2 + 2) * (5 * (2 + 5 + 3 + 1) + 1)
    decays = {run.step.train.weight_decay for run in trained if run.title.startswith("train supervised (")}
    assert decays == {5e-4}


def test_resolutions_are_further_ones_of_roi_c1_alone():
    plan = plan_of(of_task_1("demo", "task1.resolutions=[2, 1]"))
    columns = {region.name: (region.table, region.downsample) for region in plan.inputs.regions}
    assert columns["roi-c1"] == ("1", 4)
    assert {name: column for name, column in columns.items() if column[0] == "A3"} == {
        "roi-c1/2": ("A3", 2),
        "roi-c1/1": ("A3", 1),
    }
    # What Table 1 is made of is the same without them.
    alone = plan_of(of_task_1("demo"))
    assert {run.id for run in alone.runs} < {run.id for run in plan.runs}


FILES = {"byol": "SSL_BYOL", "myow": "SSL_MYOW", "myow-m": "SSL_MYOWMerged", "supervised": "SUP"}


@pytest.mark.parametrize("method", FILES)
def test_the_original_preset_trains_encoders_as_the_published_files_say(real_data, method):
    from mtneuro_ssl import TrainSettings

    folder = real_data / "original_json" / "2022-11" / "networkconfig"
    published = TrainSettings.from_file(folder / f"{FILES[method]}_ResNet-18_2D.json")
    unread = {"mined_weight", "mined_rampup_fraction"} if method == "byol" else set()
    if method == "supervised":
        unread = {"warmup_fraction", "mined_rampup_fraction", "exclude_self", "nmf_start"}
    others = [] if method == "supervised" else ["task1.per_method={}"]
    plan = plan_of(of_task_1("original", f'task1.methods=["{method}"]', "task1.linear_stage={}", *others))
    for run in plan.encoders:
        train = run.step.train.model_copy(update={"device": "auto"}).resolved()
        ignored = unread | {"nmf_start"}
        assert train.model_dump(exclude=ignored) == published.resolved().model_dump(exclude=ignored)


def test_the_original_preset_reads_networks_out_by_the_linear_stage_of_the_published_files(real_data):
    plan = plan_of(of_task_1("original"))
    linear = {run.step.model: run.step.linear for run in plan.regions}
    assert {name for name, layer in linear.items() if layer is None} == {"supervised", "pca", "nmf"}
    for method in ("byol", "myow", "myow-m"):
        name = f"{FILES[method]}_ResNet-18_2D.json"
        file = json.loads((real_data / "original_json" / "2022-11" / "networkconfig" / name).read_text())
        layer = linear[method]
        assert layer is not None
        assert (layer.optimiser, layer.learning_rate) == (file["optimizer"].lower(), file["learning_rate"])
        assert (layer.epochs, layer.batch_size) == (file["epochs"], file["batch_size"])
        assert (layer.train_encoder, layer.partial_batches, layer.mean, layer.sd) == (False, True, 0, 1)
        assert (layer.resolved().momentum, layer.weight_decay, layer.dropout) == (0, 0, 0)
        assert (layer.encoder, layer.latent_dim) == ("resnet18", None)


def test_the_linear_stage_takes_settings_of_the_methods_that_are_there():
    with pytest.raises(ValueError, match=r"task1.linear_stage must be one of .*got 'byoll'"):
        plan_of(of_task_1("original", "task1.linear_stage.byoll.epochs=2"))


def test_a_methods_own_settings_go_before_those_of_all_methods():
    preset = of_task_1("demo", "task1.settings.steps=7", "task1.per_method.byol.steps=9")
    steps = {run.step.train.method: run.step.train.steps for run in plan_of(preset).encoders}
    assert (steps["byol"], steps["myow"]) == (9, 7)


def test_a_batch_larger_than_the_training_set_is_refused():
    # Set A has 4 cubes; of each, one slice of the train range and one of the validation range is taken.
    preset = of_task_1("demo", "task1.z_step=300", "task1.per_method={}", 'task1.methods=["byol"]')
    with pytest.raises(ValueError, match=r"'byol' on roi-c1 must have at least batch_size 24 .*got 8; lower"):
        plan_of(preset)
