import os
from pathlib import Path
from typing import cast

import pytest
from mtneuro_data import TaskSpec

from mtneuro_suite.plan.plan import Plan, plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_tasks, with_values
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Arrays, Segmenter, Transferred
from mtneuro_suite.steps.regions import TEST

DRIFT = "phantom?drift=2"
REAL = Path(os.environ.get("MTNEURO_REAL_DATA", "/nowhere"))


def plan(*changes: str, preset: str = "smoke") -> Plan:
    return plan_of(with_values(read_preset(preset), changes))


def ids(runs) -> set[str]:
    return {run.id for run in runs}


def tasks(runs) -> list[TaskSpec]:
    return [cast("Run[Arrays]", run).step.task for run in runs]


def test_without_the_setting_there_is_no_run_and_with_it_the_others_keep_their_names():
    before = plan()
    made = plan(f'task1.also_test="{DRIFT}"', f'task2.also_test=["{DRIFT}"]')
    assert before.shift.ends == []
    assert ids(before.runs) < ids(made.runs)
    assert ids(made.shift.ends) == ids(made.runs_by_table()["Other data"])
    for name, runs in before.runs_by_table().items():
        assert ids(runs) == ids(made.runs_by_table()[name])


def test_each_encoder_and_floor_is_scored_elsewhere_on_the_same_cubes_as_at_home_and_taught_at_home():
    made = plan(f'task1.also_test=["{DRIFT}", "phantom?seed=7"]')
    assert {"byol", "mean-sd"} < {run.step.model for run in made.shift.regions}
    for moved, home in zip(made.shift.regions, made.regions, strict=True):
        assert moved.step == home.step
        assert moved.needs["encoder"] == home.needs["encoder"]
        assert moved.needs["train"] == home.needs["train"]
        assert [role for role in moved.needs if role.startswith(TEST)] == [
            f"{TEST}{column} on {place}"
            for place in (DRIFT, "phantom?seed=7")
            for column in ("roi-c1", "roi-c2[B]")
        ]
        for column in ("roi-c1", "roi-c2[B]"):
            there = tasks(moved.needs[f"{TEST}{column} on {DRIFT}"])
            here = tasks(home.needs[f"{TEST}{column}"])
            assert {task.image for task in there} == {"phantom://image?drift=2"}
            assert [task.samples("all") for task in there] == [task.samples("all") for task in here]
            assert [task.downsample for task in there] == [task.downsample for task in here]


def test_each_network_is_scored_elsewhere_as_it_was_trained():
    made = plan(f'task2.also_test="{DRIFT}"', preset="demo")
    assert [run.step.model for run in made.shift.microstructure] == [
        run.step.model for run in made.segmenters
    ]
    for moved, home in zip(made.shift.microstructure, made.segmenters, strict=True):
        assert isinstance(moved.step, Transferred)
        assert moved.needs["network"] == (home,)
        assert moved.step.training_set == home.step.training_set
        assert (moved.step.task, moved.step.test_set) == (
            f"{home.step.task} on {DRIFT}",
            f"{home.step.task} on {DRIFT}:test",
        )
        (there, *_), (here, *_) = tasks(moved.needs["test"]), tasks(home.needs["test"])
        assert (there.image, there.annotation) == (
            "phantom://image?drift=2",
            "phantom://pixel_labels?drift=2",
        )
        assert there.samples("all") == here.samples("all")


def test_a_model_that_is_taken_as_it_is_is_scored_elsewhere_too(tmp_path):
    import numpy as np
    from mtneuro_seg import TrainSettings, train

    images = np.random.default_rng(0).integers(0, 3, (2, 16, 16), np.uint8)
    settings = TrainSettings(
        model="unet", classes=3, filters=2, levels=2, steps=1, batch_size=2, device="cpu"
    )
    train(images, settings, masks=images, class_names=("background", "vessel", "cell"), out=tmp_path / "net")
    made = plan(f'task2.rows.mine.folder="{tmp_path / "net"}"', f'task2.also_test="{DRIFT}"')
    moved = next(run for run in made.shift.microstructure if run.step.model == "mine")
    assert isinstance(moved.step, Segmenter)
    assert moved.step.taken is not None
    assert [*moved.needs] == ["test"]
    assert moved.step.task == f"seg-2d-3class on {DRIFT}"


def test_a_task_file_of_the_same_regions_is_scored_by_the_encoders_that_are_trained(task_file):
    own = task_file("roi-c1", name="mine", splits={"test": ({"cubes": ("A-CTX", "A-VP"), "z": (430, 450)},)})
    made = plan(f'task1.also_test="{own}"')
    assert made.shift.region_places == ("mine",)
    # ROI-C2 has no encoders of its own.
    assert [role for role in made.shift.regions[0].needs if role.startswith(TEST)] == [
        f"{TEST}roi-c1 on mine"
    ]
    (test,) = tasks(made.shift.regions[0].needs[f"{TEST}roi-c1 on mine"])
    assert test.downsample == 4
    assert {cube for cube, _ in test.samples("all")} == {"A-CTX", "A-VP"}


def test_a_task_file_of_the_same_classes_is_scored_by_the_networks_that_fit(task_file):
    own = task_file("seg-2d-3class", name="mine")
    made = plan(f'task2.also_test="{own}"', 'task2.classes=["3class", "4class"]')
    assert [run.step.task for run in made.shift.microstructure] == ["seg-2d-3class on mine"]


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real files")
def test_a_folder_of_real_files_is_other_data():
    made = plan(f'task1.also_test="{REAL}"', f'task2.also_test="{REAL}"')
    assert (made.shift.region_places, made.shift.microstructure_places) == (("z159",), ("dyer2017",))
    (moved, *_) = made.shift.regions
    (test,) = moved.needs[f"{TEST}roi-c1 on z159"]
    assert cast("Run[Arrays]", test).step.files
    (network,) = made.shift.microstructure
    assert network.step.task == "seg-2d-3class on dyer2017"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ('task1.also_test=["phantom", "phantom"]', "task1.also_test must name .* each once"),
        ('task1.also_test="phantm"', "source must be phantom, bossdb"),
        ('task1.also_test="gone.toml"', "gone.toml"),
    ],
)
def test_other_data_that_is_none_is_refused(change, wrong):
    with pytest.raises((ValueError, FileNotFoundError), match=wrong):
        plan(change)


def test_a_dial_that_there_is_not_is_refused_before_any_work():
    from mtneuro_suite.plan.plan import check_sources

    with pytest.raises(ValueError, match="drift"):
        check_sources(plan('task1.also_test="phantom?drft=2"').runs)


def test_other_regions_classes_and_kinds_are_refused(task_file):
    turned = task_file(
        "roi-c1", name="turned", regions=("STR", "CTX", "VP", "ZI"), splits={"test": ({"z": (430, 450)},)}
    )
    with pytest.raises(ValueError, match=r"must have the regions that are learnt, in order .*got STR, CTX"):
        plan(f'task1.also_test="{turned}"')
    four = task_file("seg-2d-4class", name="four")
    with pytest.raises(ValueError, match="must have the classes that are learnt"):
        plan(f'task2.also_test="{four}"')
    with pytest.raises(ValueError, match="must name tasks of the kind 'region' with a split 'test'"):
        plan(f'task1.also_test="{four}"')
    own = with_tasks(read_preset("smoke"), [task_file("roi-c1", name="home")])
    with pytest.raises(ValueError, match="a source of the paper's cubes, and this preset runs others"):
        plan_of(with_values(own, [f'task1.also_test="{DRIFT}"']))
    twice = task_file("roi-c1", name="phantom?seed=7")
    with pytest.raises(ValueError, match="must have names of their own"):
        plan(f'task1.also_test=["{twice}", "phantom?seed=7"]')
