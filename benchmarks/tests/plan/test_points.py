import pytest

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.plan.points import label_source
from mtneuro_suite.preset.model import Preset, read_preset
from mtneuro_suite.preset.overrides import with_tasks, with_values
from mtneuro_suite.steps import Arrays, PointEncoder


def smoke(*changes: str) -> Preset:
    return with_values(read_preset("smoke"), changes)


def test_the_rows_leave_all_other_runs_as_they_are():
    plain = {run.id for run in plan_of(read_preset("smoke")).runs}
    for labels in ("truth", "unet"):
        assert plain < {run.id for run in plan_of(smoke(f"task1.points.labels={labels}")).runs}


def test_truth_is_loaded_in_full_resolution_for_the_samples_of_the_other_rows():
    plan = plan_of(smoke("task1.points.labels=truth"))
    (encoder,) = plan.point_encoders
    (train,) = encoder.needs["train"]
    others = next(run for run in plan.encoders if run.step.train.method == "supervised")
    assert train.needs["samples"] == others.needs["train"]
    labels = [run.step.task for run in train.needs["labels"] if isinstance(run.step, Arrays)]
    samples = [run.step.task for run in train.needs["samples"] if isinstance(run.step, Arrays)]
    assert [task.downsample for task in labels] == [1, 1]
    assert [task.samples("all") for task in labels] == [task.samples("all") for task in samples]
    assert {task.annotation for task in labels} == {"phantom://pixel_labels"}
    assert encoder.step.train.batch_size == sum(len(task.samples("all")) for task in samples) == 40


def test_a_network_predicts_the_labels_from_images_as_it_learnt_them():
    plan = plan_of(smoke("task1.points.labels=unet", "task2.downsample=2", "seeds=[3, 5]"))
    assert {run.step.seed for run in plan.networks} == {3, 5}
    for encoder in plan.point_encoders:
        (train,) = encoder.needs["train"]
        (network,) = train.needs["network"]
        assert network.id == next(run.id for run in plan.networks if run.step.seed == 3)
        tasks = [run.step.task for run in train.needs["labels"] if isinstance(run.step, Arrays)]
        assert {(task.kind, task.downsample) for task in tasks} == {("region", 2)}
        assert train.step.model_dump()["class_names"] == ("background", "vessel", "cell")


def test_there_is_an_encoder_a_seed_and_one_floor_a_training_set():
    changes = ("seeds=[1, 2]", 'task1.tasks=["roi-c1", "roi-c2", "roi-c3"]', "task1.points.labels=truth")
    plan = plan_of(smoke(*changes))
    scored = plan.point_regions
    assert [(run.step.model, run.step.seed) for run in scored] == 2 * [
        ("counts", 1),
        ("points", 1),
        ("points", 2),
    ]
    assert [set(run.needs) for run in scored[:2]] == [
        {"train", "test roi-c1", "test roi-c2[B]"},
        {"train", "encoder", "test roi-c1", "test roi-c2[B]"},
    ]
    read = plan.point_semantics
    assert [(run.step.model, run.step.task) for run in read] == [
        ("counts", "roi-c1"), ("points", "roi-c1"), ("points", "roi-c1"),
    ]  # fmt: skip
    tables = plan.runs_by_table()
    assert all(run in tables["Table 1"] for run in scored)
    assert all(run in tables["Table 3"] for run in read)
    chosen = plan.runs_of(["points"])
    assert [run for run in chosen if isinstance(run.step, PointEncoder)] == list(plan.point_encoders)


def test_settings_of_the_encoder_are_the_row_s_own():
    changes = (
        "task1.points.settings.epochs=3",
        "task1.points.settings.batch_size=10",
        "task1.settings.steps=7",
    )
    (run,) = plan_of(smoke(*changes)).point_encoders
    train = run.step.train
    assert (train.encoder, train.method, train.epochs, train.batch_size) == ("deepsets", "supervised", 3, 10)
    assert (train.steps, train.optimiser, train.views.rotate) == (None, "adam", True)


def test_labels_of_a_user_s_own_task_are_those_of_a_task_with_pixel_labels(task_file):
    files = [task_file(name) for name in ("roi-c1", "semantics")]
    plan = plan_of(with_tasks(smoke("task1.points.labels=truth"), files))
    (encoder,) = plan.point_encoders
    (train,) = encoder.needs["train"]
    labels = [run.step.task for run in train.needs["labels"] if isinstance(run.step, Arrays)]
    assert {task.annotation for task in labels} == {"phantom://pixel_labels"}
    with pytest.raises(ValueError, match="needs pixel labels of phantom://image, which no task"):
        plan_of(with_tasks(smoke("task1.points.labels=truth"), files[:1]))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            ["task1.points.labels=unett"],
            "labels must be one of truth, unet, got 'unett'; did you mean 'unet'",
        ),
        (
            ["task1.points.labels=unet3d", 'task2.models=["unet", "unet3d"]'],
            "must be one of truth, unet, got",
        ),
        (["task1.points.labels=unet", "task2=none"], r"names a network of \[task2\], which is missing"),
        (["task1.points.labels=truth", "source=bossdb"], "the volume has none in C-CTX: name a network"),
        (
            ["task1.points.settings.method=byol"],
            "an encoder of clouds and a supervised method, got 'deepsets' and",
        ),
        (["task1.points.settings.encoder=resnet18"], "must name an encoder of clouds"),
        (
            ["task1.points.settings.batch_size=1000"],
            "at least batch_size 1000 training images, got 40; lower",
        ),
        (["task1.points.settings.epoch=9"], "task1.points.settings on roi-c1: a key must be"),
        (
            ["task1.points.minimum_area_px=0"],
            "task1.points.minimum_area_px must be greater than or equal to 1",
        ),
        (
            ["task1.points.labels=truth", 'task1.rows.counts={method="byol"}'],
            "rows must have names of their own",
        ),
        (
            ["task1.points.labels=truth", 'task1.tasks=["roi-c1-3d"]', "task3=none"],
            "needs a task of slices, .* has subvolumes alone, such as roi-c1-3d: add one, such as roi-c1",
        ),
    ],
)
def test_what_cannot_be_is_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        plan_of(smoke(*changes))


def test_the_papers_volume_has_labels_in_its_first_cube_set():
    changes = ("source=bossdb", 'task1.tasks=["roi-c1"]', "task1.points.labels=truth")
    assert plan_of(smoke(*changes)).point_encoders


def test_the_source_of_the_objects_is_told():
    assert label_source(read_preset("smoke")) == ""
    assert label_source(smoke("task1.points.labels=truth")) == "the pixel labels themselves"
    assert label_source(smoke("task1.points.labels=unet")) == "the prediction of unet"
