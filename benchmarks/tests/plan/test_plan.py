from pathlib import Path

import pytest

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import Preset, read_preset
from mtneuro_suite.preset.overrides import with_own_row

WIDE = str(Path(__file__).parents[1] / "wide.toml")


def changed(name=WIDE, **changes):
    values = read_preset(name).model_dump()
    for key, value in changes.items():
        values[key] = {**values[key], **value} if isinstance(value, dict) else value
    return Preset.model_validate(values)


def test_equal_parts_are_loaded_once():
    runs = plan_of(read_preset(WIDE)).runs
    assert len({run.id for run in runs}) == len(runs)
    arrays = [run for run in runs if run.step.kind == "arrays"]
    # Task 1: set A train and val, its test, B, C and D; Task 2: train, val and test of 2D and of 3D, in
    # two class settings; Task 3: all of A; Task 1 in 3D: set A train, val and test.
    assert len(arrays) == 6 + 12 + 1 + 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"task1": {"methods": ["byol", "myoww"]}},
            r"task1.methods must be one of .*got 'myoww'; did you mean 'myow'",
        ),
        (
            {"task2": {"models": ["unett"], "per_model": {}}},
            r"task2.models must be one of .*got 'unett'; did you mean",
        ),
        (
            {"task1": {"settings": {"learning_rat": 1}}},
            r"settings of supervised: .*'learning_rat'; did you mean '?learning_rate",
        ),
        ({"task1": {"settings": {"batch_size": -1}}}, r"settings of \w+: batch_size must be .*got -1"),
        ({"task2": {"settings": {"epocs": 1}}}, r"settings of \w+: .*epocs"),
        ({"task2": {"per_model": {"pan": {}}}}, r"task2.per_model must be one of unet, .*got 'pan'"),
    ],
)
def test_a_wrong_name_or_setting_is_refused_before_any_run(changes, message):
    with pytest.raises(ValueError, match=message):
        plan_of(changed(**changes))


def test_the_resolutions_and_extra_sets_are_columns_of_their_own():
    plan = plan_of(
        changed(
            task1={
                "methods": ["pca"],
                "tasks": ["roi-c1", "roi-c2", "roi-c3"],
                "per_method": {},
                "downsample": [4, 2],
                "extra": ["B", "D"],
            },
            task3=None,
        )
    )
    names = [region.name for region in plan.inputs.regions]
    tasks = ("roi-c1", "roi-c2[B]", "roi-c2", "roi-c3[B]", "roi-c3")
    assert names == [f"{n}/{f}" for f in (4, 2) for n in tasks]
    headings = ["ROI-C1", "ROI-C2", "ROI-C2[D]", "ROI-C3", "ROI-C3[D]"]
    assert [region.column for region in plan.inputs.regions[:5]] == [f"{name} at 1/4" for name in headings]
    tested = {r.name: {c[0] for t in r.test for c in t.cubes} for r in plan.inputs.regions}
    assert tested["roi-c2[B]/4"] == tested["roi-c3[B]/4"] == {"C", "D"}
    assert tested["roi-c2/4"] == tested["roi-c3/4"] == {"B", "C"}
    keys = {(run.step.training_set, run.step.model) for run in plan.regions}
    assert len(keys) == len(plan.regions)


def test_the_paper_presets_runs_are_counted_by_table():
    counts = {name: len(runs) for name, runs in plan_of(read_preset("paper")).runs_by_table().items()}
    # Of each training set and seed: 2 weight decays, 5 of mixup, 3 self-supervised methods, NMF and no
    # training at all; PCA and 3 floors with one seed alone. Networks: 10, 2 class settings, 5 seeds.
    encoders = 5 * (2 + 5 + 3 + 2) + 1 + 3
    assert counts == {
        "Table 1": 2 * encoders,
        "Table A3": 3 * encoders,
        "Table 2": 10 * 2 * 5,
        "Table A4": 10 * 2,
        "Table 3": 2 * encoders,
        "Figures 4 and A4": 4,
    }


def test_a_row_of_ones_own_runs_alone_and_is_named_by_its_code():
    preset, own = with_own_row(read_preset("smoke"), encoder="examples.tiny_encoder:encoder")
    assert own == ("tiny_encoder:encoder",)
    plan = plan_of(preset, trusted=["examples.tiny_encoder:encoder"])
    alone = plan.runs_of(own)
    assert {run.step.kind for run in alone} == {
        "arrays",
        "dense",
        "encoder",
        "regions",
        "features",
        "semantics",
        "umap",
    }
    assert [run.title for run in alone if run.step.kind == "encoder"] == [
        "train tiny_encoder:encoder on roi-c1, seed 1"
    ]
    (run,) = (run for run in alone if run.step.kind == "encoder")
    assert "examples.tiny_encoder" in run.step.executed_modules()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"encoder": "nowhere"}, "must be package.module:factory, path/to/file"),
        ({"encoder": "no_such_module:encoder"}, "'no_such_module' is not one"),
        ({"encoder": "examples.tiny_encoder:encodr"}, "holds no 'encodr'"),
        ({"segmenter": "examples.tiny_segmenter"}, "must be package.module:factory, path/to/file"),
    ],
)
def test_an_own_row_that_means_nothing_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        plan_of(with_own_row(read_preset("smoke"), **given)[0], trusted=list(given.values()))


def test_a_source_that_is_no_folder_is_refused():
    with pytest.raises(ValueError, match="source must be phantom, bossdb, or a folder"):
        plan_of(changed(source="nowhere"))


def test_real_sample_needs_its_folder(tmp_path):
    with pytest.raises(ValueError, match="give their folder with --data"):
        plan_of(read_preset("real-sample"))
    with pytest.raises(FileNotFoundError, match=r"image_z159\.png is missing"):
        plan_of(read_preset("real-sample"), data=tmp_path)
    with pytest.raises(ValueError, match="--data is read by real-sample and real-study only"):
        plan_of(read_preset(WIDE), data=tmp_path)


def test_each_animal_has_the_runs_that_it_would_have_alone():
    animals = plan_of(changed("smoke", phantom_seeds=(0, 7)))
    alone = plan_of(read_preset("smoke"))
    other = plan_of(changed("smoke", source="phantom?seed=7"))
    ids = [{run.id for run in plan.runs} for plan in (animals, alone, other)]
    assert ids[0] == ids[1] | ids[2]
    assert not ids[1] & ids[2]
    assert [*animals.animals] == ["0", "7"]
    assert {run.id for run in animals.regions} == {run.id for run in alone.regions}
    assert {run.id for run in animals.runs_of(["byol"])} == {
        run.id for plan in (alone, other) for run in plan.runs_of(["byol"])
    }
    tables = animals.runs_by_table()
    assert {run.id for run in tables["Table 1"]} == {run.id for plan in (alone, other) for run in plan.scored}
    titles = [run.title for run in animals.runs]
    assert len(set(titles)) == len(titles)
    assert all(title.endswith((", animal 0", ", animal 7")) for title in titles)


def test_an_animal_keeps_the_dials_of_its_source():
    animals = plan_of(changed("smoke", source="phantom?drift=2", phantom_seeds=(7,)))
    alone = plan_of(changed("smoke", source="phantom?drift=2&seed=7"))
    assert {run.id for run in animals.runs} == {run.id for run in alone.runs}
