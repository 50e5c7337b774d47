from pathlib import Path

import pytest

from mtneuro_suite.plan.plan import Plan, plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_own_row, with_values

WIDE = str(Path(__file__).parents[1] / "wide.toml")

FROZEN = 'task2.frozen=["byol"]'


def plan(*changes: str, preset: str = "smoke", encoder: str | None = None) -> Plan:
    made, _ = with_own_row(with_values(read_preset(preset), changes), encoder=encoder)
    return plan_of(made, trusted=[encoder] if encoder else [])


def ids(runs) -> set[str]:
    return {run.id for run in runs}


def test_nothing_is_read_out_unless_it_is_asked_for():
    assert plan().dense == ()


def test_each_head_reads_the_encoder_of_its_seed_out_in_each_class_setting():
    made = plan(FROZEN, "seeds=[3, 5]", 'task2.classes=["3class", "4class"]', "task2.head_settings.steps=7")
    assert {(run.step.model, run.step.task, run.step.seed) for run in made.dense} == {
        (f"byol, {head}", f"seg-2d-{classes}", seed)
        for head in ("linear", "convolutional")
        for classes in ("3class", "4class")
        for seed in (3, 5)
    }
    for run in made.dense:
        (encoder,) = run.needs["encoder"]
        assert encoder.step.model_dump()["train"]["seed"] == run.step.seed
        assert "on roi-c1" in encoder.title
        probe = run.step.probe
        assert (probe.head, probe.steps) == (run.step.model.removeprefix("byol, "), 7)
        assert probe.seed == (run.step.seed if probe.head == "convolutional" else 0)
        assert run.step.device == "cpu" or made.preset.device != "cpu"


def test_it_reads_what_networks_read_and_changes_no_other_run():
    made, before = plan(FROZEN), plan()
    (network,) = [run for run in made.segmenters if run.step.task == "seg-2d-3class"]
    for run in made.dense:
        assert {role: run.needs[role] for role in ("train", "test")} == dict(network.needs)
        assert (run.step.training_set, run.step.test_set) == (
            network.step.training_set,
            network.step.test_set,
        )
    assert ids(before.runs) == ids(made.runs) - ids(made.dense)
    assert ids(made.dense) <= ids(made.runs_by_table()["Table 2"])


def test_what_draws_nothing_is_read_out_once():
    made = plan('task2.frozen=["pca"]', "seeds=[3, 5]")
    assert [(run.step.model, run.step.seed) for run in made.dense] == [
        ("pca, linear", 3), ("pca, convolutional", 3), ("pca, convolutional", 5),
    ]  # fmt: skip
    assert len({run.needs["encoder"][0].id for run in made.dense}) == 1


def test_an_encoder_that_is_given_has_its_rows_of_task_2_too():
    name = "examples.tiny_encoder:encoder"
    made = plan(encoder=name)
    assert [run.step.model for run in made.dense] == [
        "tiny_encoder:encoder, linear", "tiny_encoder:encoder, convolutional",
    ]  # fmt: skip
    of_row = ids(made.runs_of(["tiny_encoder:encoder"]))
    assert ids(made.dense) <= of_row
    assert not ids(made.segmenters) & of_row
    assert plan("task2.frozen=[]", encoder=name).dense == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ('task2.frozen=["byoll"]', "task2.frozen must be one of .*, got 'byoll'; did you mean 'byol'"),
        ('task2.heads=["mlp"]', "task2.heads.*'mlp'"),
        ("task2.heads=[]", "task2.heads.*must name at least one"),
        ("task2.head_settings.step=3", "task2.head_settings: .*'step'; did you mean 'steps'"),
    ],
)
def test_wrong_names_are_refused(change, reason):
    with pytest.raises(ValueError, match=reason):
        plan(FROZEN, change)


def test_encoders_of_subvolumes_alone_are_refused():
    changes = ('task2.frozen=["deep"]', 'task1.rows.deep={method="byol", axes=3}')
    with pytest.raises(
        ValueError, match="must name encoders of images, got 'deep', which has none of images"
    ):
        plan(*changes, preset=WIDE)


def test_without_task_1_there_is_nothing_to_read_out():
    with pytest.raises(ValueError, match=r"task2.frozen reads out encoders of \[task1\], which is missing"):
        plan(FROZEN, "task1=none", "task3=none")
