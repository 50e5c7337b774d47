from typing import cast

import pytest
from mtneuro_data import TaskSpec
from mtneuro_ssl import TrainSettings

from mtneuro_suite.plan.plan import Plan, plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Arrays, Encoder, Segmenter

PARTS = "[0.01, 0.25, 1.0]"
EVERYWHERE = tuple(f"{task}.labels={PARTS}" for task in ("task1", "task2", "task3"))


def plan(*changes: str) -> Plan:
    return plan_of(with_values(read_preset("smoke"), changes))


def ids(runs) -> set[str]:
    return {run.id for run in runs}


def slices(runs) -> set[tuple[str, int]]:
    """The cube and slice of every image that ``arrays`` runs load."""
    return {sample for run in runs for sample in run.step.task.samples("all")}


def tasks(run) -> list[TaskSpec]:
    """The parts that a run learns from the labels of."""
    return [cast("Run[Arrays]", part).step.task for part in run.needs["train"]]


def encoder_of(run) -> TrainSettings:
    """How the encoder that a run scores is trained."""
    return cast("Run[Encoder]", run.needs["encoder"][0]).step.train


def test_without_the_setting_there_is_no_run_and_with_it_the_others_keep_their_names():
    assert plan().labels.ends == []
    assert plan("task1.labels=1.0", "task2.labels=[1]", "task3.labels=1.0").labels.ends == []
    made, before = plan(*EVERYWHERE), plan()
    assert ids(before.runs) < ids(made.runs)
    assert ids(made.labels.ends) == ids(made.runs_by_table()["Label efficiency"])
    for name, runs in before.runs_by_table().items():
        assert ids(runs) == ids(made.runs_by_table()[name])


def test_smaller_parts_lie_within_larger_ones_and_leave_no_region_out():
    made = plan("task1.labels=[0.25, 0.02, 0.5]", "task1.z_step=1", "task1.tasks=['roi-c1', 'roi-c3']")
    for at in range(2 * 3):
        full = made.regions[at]
        kept = [slices(made.labels.regions[part][at].needs["train"]) for part in (0.02, 0.25, 0.5)]
        kept.append(slices(full.needs["train"]))
        assert kept[0] < kept[1] < kept[2] < kept[3]
        per_cube = [sum(cube == "A-VP" for cube, _ in some) for some in kept]
        assert per_cube == [6, 75, 150, 300]
        assert len({cube.partition("-")[2] for cube, _ in kept[0]}) == 4


def test_the_key_says_the_part_and_the_number_of_images():
    run = plan(*EVERYWHERE).labels.regions[0.01][0]
    assert run.step.training_set == "roi-c1:train+val, 1 % of labels, n = 4"
    assert {role for role in run.needs if role.startswith("test")} == {
        "test roi-c1, 1 % of labels",
        "test roi-c2[B], 1 % of labels",
    }
    network = plan(*EVERYWHERE).labels.microstructure[0.25][0]
    assert network.step.task == "seg-2d-3class, 25 % of labels"
    assert network.step.training_set == "seg-2d-3class:train+val, 25 % of labels, n = 12"
    assert network.step.test_set == "seg-2d-3class:test"


def test_what_learns_without_labels_is_trained_once_and_the_rest_as_many_steps_as_with_all():
    changes = ("task1.settings.steps=none", "task1.settings.epochs=7", "task2.settings.epochs=3")
    made = plan(*EVERYWHERE, *changes, "task2.settings.steps=none")
    full = {run.step.model: run for run in made.regions}
    few = {run.step.model: run for run in made.labels.regions[0.01]}
    for model in ("byol", "pca"):
        assert few[model].needs["encoder"] == full[model].needs["encoder"]
    before, after = (encoder_of(runs["supervised"]) for runs in (full, few))
    assert slices(few["supervised"].needs["encoder"][0].needs["train"]) == slices(
        few["supervised"].needs["train"]
    )
    assert (before.batch_size, after.batch_size) == (8, 4)
    images = len(slices(full["supervised"].needs["train"]))
    assert after.total_steps(4) == before.total_steps(images) == 7 * (images // 8)
    network, smaller = made.segmenters[0].step.train, made.labels.microstructure[0.01][0].step
    assert isinstance(smaller, Segmenter)
    assert smaller.train.total_steps(4) == network.total_steps(len(slices(made.segmenters[0].needs["train"])))


def test_a_layer_that_is_trained_on_frozen_encoders_takes_as_many_steps_too():
    made = plan(
        "task1.labels=0.01", 'task1.readout="original"', "task1.linear_stage.byol.epochs=5",
        "task1.methods=['byol']",
    )  # fmt: skip
    full, few = made.regions[0], made.labels.regions[0.01][0]
    assert few.needs["encoder"] == full.needs["encoder"]
    assert full.step.linear
    assert few.step.linear
    images = len(slices(full.needs["train"]))
    assert few.step.linear.total_steps(4) == full.step.linear.total_steps(images)


def test_frozen_encoders_are_read_out_pixel_by_pixel_with_the_same_part():
    made = plan("task2.labels=0.25", 'task2.frozen=["byol"]')
    assert [run.step.model for run in made.labels.microstructure[0.25]] == [
        "unet", "byol, linear", "byol, convolutional"
    ]  # fmt: skip
    trained = [ids(run.needs["train"]) for run in made.labels.microstructure[0.25]]
    assert trained[0] == trained[1] == trained[2]


def test_features_are_read_off_the_same_embeddings_with_every_part_at_once():
    made = plan(*EVERYWHERE, 'task1.tasks=["roi-c1", "roi-c1-3d"]', 'task3.encoders=["roi-c1", "roi-c1-3d"]',
                "task3.z_step=1")  # fmt: skip
    assert ids(run.needs["semantics"][0] for run in made.labels.semantics) == ids(made.semantics)
    assert {run.step.fractions for run in made.labels.semantics} == {(0.01, 0.25)}
    assert {(run.step.task, run.step.gap) for run in made.labels.semantics} == {
        ("roi-c1", 10), ("roi-c1-3d", 17)
    }  # fmt: skip


def test_subvolumes_are_cut_to_whole_ones():
    made = plan("task1.labels=0.25", 'task1.tasks=["roi-c1", "roi-c1-3d"]', 'task1.methods=["byol"]')
    deep = made.labels.regions[0.25][1]
    loaded = tasks(deep)
    assert {task.depth for task in loaded} == {8}
    whole = tasks(made.regions[1])
    a_cube = [
        sum(cube == "A-VP" for task in some for cube, _ in task.samples("all")) for some in (loaded, whole)
    ]
    assert a_cube[0] == max(1, int(0.25 * a_cube[1] + 0.5))


def test_a_row_that_only_looks_at_images_is_asked_for_nothing_more(tmp_path):
    from mtneuro_suite.plan.asked import asked_samples

    made, before = plan(*EVERYWHERE), plan()
    fewer = ids(made.labels.ends)
    asked = asked_samples(run for run in made.runs if run.id not in fewer)
    assert [one.names.tolist() for one in asked] == [one.names.tolist() for one in asked_samples(before.runs)]


@pytest.mark.parametrize("task", ["task1", "task2", "task3"])
@pytest.mark.parametrize("value", ["0", "1.5", "[0.1, 0.1]", "[nan]", "'few'"])
def test_wrong_parts_are_refused(task, value):
    with pytest.raises(ValueError, match=rf"{task}\.labels"):
        plan(f"{task}.labels={value}")


def test_a_part_too_small_for_a_network_is_refused_before_any_run(task_file):
    one_cube = {"cubes": {"A-CTX": {"region": "CTX", "y": (900, 1156), "x": (4600, 4856)}},
                "splits": {"train": ({"cubes": ("A-CTX",), "z": (110, 140)},),
                           "test": ({"cubes": ("A-CTX",), "z": (420, 430)},)}}  # fmt: skip
    from mtneuro_suite.preset.overrides import with_tasks

    own = with_tasks(read_preset("smoke"), [task_file("seg-2d-3class", name="own", **one_cube)])
    with pytest.raises(ValueError, match=r"task2\.labels must leave 'pan' at least 2 images .* got 1 of 30"):
        plan_of(with_values(own, ["task2.labels=0.01", "task2.models=['pan']"]))
    assert plan_of(with_values(own, ["task2.labels=0.1", "task2.models=['pan']"])).labels.ends


def test_a_search_has_no_parts():
    with pytest.raises(ValueError, match="labels and search do not go together"):
        plan("task2.labels=0.1", "task2.search.learning_rates=[0.1]")
