import json
from pathlib import Path

import pytest
from mtneuro_ssl import TrainSettings, untrained

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import FLOORS, Preset, read_preset
from mtneuro_suite.preset.overrides import with_own_row, with_values
from mtneuro_suite.steps import Arrays

WIDE = str(Path(__file__).parents[1] / "wide.toml")


def of_task_1(name: str, *changes: str) -> Preset:
    """Return a preset without Tasks 2 and 3."""
    return with_values(read_preset(name), ["task2=none", "task3=none", *changes])


def test_roi_c2_trains_nothing():
    encoders = plan_of(read_preset(WIDE)).encoders
    trained = {run.title.split(" on ")[1].split(",")[0] for run in encoders}
    assert trained == {"roi-c1", "roi-c3[B]", "roi-c1-3d"}


def test_the_paper_preset_trains_the_papers_encoders():
    encoders = plan_of(of_task_1("paper")).encoders
    trained = [run for run in encoders if run.step.train.method != "untrained"]
    # Two training sets, and two further resolutions of one: PCA has no seed; mixup has five probabilities;
    # supervised training has two weight decays.
    assert len(trained) == (2 + 2) * (5 * (2 + 5 + 3 + 1) + 1)
    decays = {run.step.train.weight_decay for run in trained if run.title.startswith("train supervised (")}
    assert decays == {5e-4}


def test_resolutions_are_further_ones_of_roi_c1_alone():
    plan = plan_of(of_task_1(WIDE, "task1.resolutions=[2, 1]"))
    columns = {region.name: (region.table, region.downsample) for region in plan.inputs.regions}
    assert columns["roi-c1"] == ("1", 4)
    assert {name: column for name, column in columns.items() if column[0] == "A3"} == {
        "roi-c1/2": ("A3", 2),
        "roi-c1/1": ("A3", 1),
    }
    # What Table 1 is made of is the same without them.
    alone = plan_of(of_task_1(WIDE))
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
    changes = ("task1.settings.steps=7", "task1.per_method.byol.steps=9", 'task1.tasks=["roi-c1"]')
    preset = of_task_1(WIDE, *changes)
    steps = {run.step.train.method: run.step.train.steps for run in plan_of(preset).encoders}
    assert (steps["byol"], steps["myow"]) == (9, 7)


def test_a_batch_larger_than_the_training_set_is_refused():
    # Set A has 4 cubes; of each, one slice of the train range and one of the validation range is taken.
    preset = of_task_1(WIDE, "task1.z_step=300", "task1.per_method={}", 'task1.methods=["byol"]')
    with pytest.raises(ValueError, match=r"'byol' on roi-c1 must have at least batch_size 24 .*got 8; lower"):
        plan_of(preset)


DEEP = 'task1.tasks=["roi-c1", "roi-c1-3d", "roi-c2-3d", "roi-c3-3d"]'


def test_encoders_of_subvolumes_are_trained_beside_those_of_slices():
    plan = plan_of(of_task_1("table1", DEEP, 'task1.methods=["byol", "pca"]', "seeds=[1]", "task1.rows={}"))
    trained = {(run.step.train.method, run.step.train.depth) for run in plan.encoders}
    assert trained == {("byol", None), ("byol", 8), ("pca", None), ("pca", 8)}
    deep = {run.step.training_set: run for run in plan.regions if "-3d" in run.step.training_set}
    assert set(deep) == {"roi-c1-3d:train+val", "roi-c3-3d[B]:train+val"}
    # ROI-C2 in 3D trains nothing: it scores the models of ROI-C1 in 3D.
    assert {"test roi-c1-3d", "test roi-c2-3d[B]"} <= set(deep["roi-c1-3d:train+val"].needs)
    (encoder,) = deep["roi-c1-3d:train+val"].needs["encoder"]
    learnt = [need.step for need in encoder.needs["train"]]
    assert {one.task.depth for one in learnt if isinstance(one, Arrays)} == {8}


def test_a_step_has_as_many_slices_in_3d_unless_a_preset_says_how_many_samples():
    def batches(*changes):
        plan = plan_of(
            of_task_1("table1", DEEP, 'task1.methods=["byol"]', "seeds=[1]", "task1.rows={}", *changes)
        )
        return {(run.step.train.depth, run.step.train.batch_size) for run in plan.encoders}

    assert batches() == {(None, 256), (8, 32)}
    assert batches("task1.subvolumes.depth=4") == {(None, 256), (4, 64)}
    assert batches("task1.per_method.byol.batch_size=16") == {(None, 16), (8, 16)}
    assert batches("task1.subvolumes.settings.batch_size=6") == {(None, 256), (8, 6)}
    with pytest.raises(ValueError, match=r"batch_size 200 .*got 144; lower task1.subvolumes.settings.batch"):
        batches("task1.settings.batch_size=200")


def test_a_preset_chooses_the_methods_that_learn_from_subvolumes():
    changes = ('task1.methods=["byol", "pca"]', 'task1.subvolumes.methods=["pca"]', "seeds=[1]")
    plan = plan_of(of_task_1("table1", DEEP, *changes))
    deep = {run.step.model for run in plan.regions if "-3d" in run.step.training_set}
    assert deep - {*FLOORS} == {"pca"}
    with pytest.raises(
        ValueError, match=r"task1.subvolumes.methods must be .*got 'pcaa'; did you mean 'pca'"
    ):
        plan_of(of_task_1("table1", DEEP, 'task1.subvolumes.methods=["pcaa"]'))


def test_an_encoder_of_ones_own_has_a_row_in_the_columns_whose_samples_it_takes():
    def columns(encoder, *changes):
        preset, own = with_own_row(of_task_1("table1", DEEP, *changes), encoder=encoder)
        factory = encoder.removesuffix(":3d")
        plan = plan_of(preset, trusted=[factory])
        rows = [run for run in plan.regions if run.step.model == own[0]]
        (settings,) = {run.step.train.encoder for run in plan.encoders} - {"resnet18"}
        assert settings == factory
        return {run.step.training_set.partition(":")[0] for run in rows}

    assert columns("examples.tiny_encoder:encoder") == {"roi-c1"}
    assert columns("examples.tiny_encoder:encoder:3d") == {"roi-c1-3d", "roi-c3-3d[B]"}
    with pytest.raises(ValueError, match=r"takes subvolumes, and no task of task1 has any; add roi-c1-3d"):
        columns("examples.tiny_encoder:encoder:3d", 'task1.tasks=["roi-c1"]')
    with pytest.raises(ValueError, match=r"takes images, and no task of task1 has any; give it axes = 3"):
        columns("examples.tiny_encoder:encoder", 'task1.tasks=["roi-c1-3d"]')


def test_a_trained_models_folder_says_whether_it_takes_subvolumes(tmp_path):
    folders = {}
    for depth in (None, 8):
        folders[depth] = tmp_path / f"depth{depth}"
        untrained(TrainSettings(latent_dim=4, depth=depth)).save(folders[depth])
    rows = {str(depth): {"folder": str(folder)} for depth, folder in folders.items()}
    values = of_task_1("table1", DEEP).model_dump()
    values["task1"]["rows"] = rows
    regions = plan_of(Preset.model_validate(values)).regions
    found = {(run.step.model, "-3d" in run.step.training_set) for run in regions if run.step.model in rows}
    assert found == {("None", False), ("8", True)}


def test_a_depth_that_the_samples_do_not_have_is_refused_before_any_run():
    changes = ("task1.settings.depth=8", 'task1.methods=["byol"]')
    with pytest.raises(ValueError, match=r"byol on roi-c1: depth must be none, which its .*got 8; leave it"):
        plan_of(of_task_1("table1", DEEP, *changes))


def test_an_autoencoder_is_a_row_on_request_of_slices_and_of_subvolumes():
    one = ('task1.tasks=["roi-c1", "roi-c1-3d"]', 'task1.methods=["mae"]', "task1.per_method={}")
    plan = plan_of(of_task_1(WIDE, *one, 'task1.subvolumes.methods=["mae"]'))
    trained = {run.step.train.depth: run.step.train for run in plan.encoders}
    assert set(trained) == {None, 8}
    assert {(one.encoder, one.optimiser) for one in trained.values()} == {("vit", "adamw")}
    alone = plan_of(of_task_1(WIDE))
    assert not [run for run in alone.encoders if run.step.train.method == "mae"]


def test_an_autoencoder_whose_views_are_no_whole_patches_is_refused_before_any_run():
    one = ('task1.tasks=["roi-c1"]', 'task1.methods=["mae"]', "task1.per_method={}", "task1.subvolumes={}")
    with pytest.raises(ValueError, match=r"settings of mae on roi-c1: .* 5 x 5, got 32 x 32 of 64 x 64"):
        plan_of(of_task_1(WIDE, *one, "task1.settings.vit.patch=5"))
    with pytest.raises(ValueError, match=r"encoder must be vit for method 'mae', .* got 'resnet18'"):
        plan_of(of_task_1(WIDE, *one, "task1.settings.encoder=resnet18"))


def test_the_linear_stage_has_the_shape_of_the_transformer():
    one = ('task1.tasks=["roi-c1"]', 'task1.methods=["byol"]', "task1.per_method={}", "task1.subvolumes={}")
    changes = ("task1.settings.encoder=vit", "task1.settings.vit.patch=4", "task1.readout=original")
    plan = plan_of(of_task_1(WIDE, *one, *changes))
    (linear,) = {run.step.linear.vit.patch for run in plan.regions if run.step.linear is not None}
    assert linear == 4
