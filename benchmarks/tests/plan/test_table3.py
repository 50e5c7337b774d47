from pathlib import Path

import pytest
from mtneuro_data import TaskSpec

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import FLOORS, Preset, read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.runs.run import Run
from mtneuro_suite.steps import Arrays, Semantics

WIDE = str(Path(__file__).parents[1] / "wide.toml")


@pytest.fixture
def wide() -> Preset:
    return read_preset(WIDE)


def read_tasks(run: Run[Semantics]) -> list[TaskSpec]:
    """Return the tasks whose samples a run reads."""
    return [need.step.task for need in run.needs["samples"] if isinstance(need.step, Arrays)]


def test_a_method_that_is_drawn_must_be_trained(wide):
    with pytest.raises(ValueError, match=r"task3.umap_method must be one of .*got 'byol'"):
        plan_of(with_values(wide, ['task1.methods=["pca"]', "task1.per_method={}"]))


def test_too_few_slices_for_the_cross_validation_are_refused(wide):
    with pytest.raises(ValueError, match="gap of 10"):
        plan_of(with_values(wide, ["task3.z_step=3000"]))


def test_annotators_are_simulated_of_real_tissue_and_not_of_exact_labels(wide):
    assert plan_of(wide).ceilings == ()
    plan = plan_of(with_values(wide, ["source=bossdb"]))
    (run,) = plan.ceilings
    assert plan.features is not None
    assert run.needs["samples"] == plan.features.needs["samples"]
    assert run.id in {one.id for one in plan.runs}
    assert run in plan.runs_by_table()["Table 3"]
    assert plan_of(with_values(wide, ["source=bossdb", "task3=none"])).ceilings == ()


def test_every_encoder_is_read_out_on_the_features_that_are_measured_once(wide):
    plan = plan_of(wide)
    read = {(run.step.model, run.step.task, run.step.seed) for run in plan.semantics}
    of_encoders = [run for run in plan.semantics if run.step.model not in FLOORS]
    assert len(read) == len(plan.semantics)
    assert len(of_encoders) == len([run for run in plan.encoders if not run.step.train.depth])
    assert plan.features is not None
    assert {need.id for run in plan.semantics for need in run.needs["features"]} == {plan.features.id}


def test_the_drawn_method_is_drawn_once_for_each_training_set(wide):
    drawn = plan_of(wide).umap
    assert [run.title for run in drawn] == ["UMAP of byol from roi-c1", "UMAP of byol from roi-c3[B]"]


def test_several_methods_are_drawn_in_one_report():
    changes = ["task2=none", "seeds=[1]", 'task1.methods=["byol", "myow-m"]', "task1.rows={}"]
    drawn = plan_of(with_values(read_preset("paper"), changes)).umap
    assert [run.title for run in drawn] == [
        f"UMAP of {method} from {task}" for method in ("myow-m", "byol") for task in ("roi-c1", "roi-c3[B]")
    ]


def test_encoders_of_further_resolutions_are_not_read_out(wide):
    plan = plan_of(with_values(wide, ["task1.resolutions=[2]"]))
    assert {run.step.task for run in plan.semantics} == {"roi-c1", "roi-c3[B]"}


def test_the_original_preset_measures_and_embeds_as_the_authors_code():
    plan = plan_of(with_values(read_preset("original"), ["task2=none"]))
    assert plan.features is not None
    assert (plan.features.step.definition, plan.features.step.view) == ("original", "corners")
    read = {(run.step.view, run.step.downsample, run.step.normalised) for run in plan.semantics}
    assert read == {("corners", 2, False)}
    assert {run.step.normalised for run in plan_of(read_preset("smoke")).semantics} == {True}


@pytest.mark.parametrize(
    ("extra", "trained_in"),
    [('"D"', ["roi-c3"]), ('["C"]', ["roi-c3[C]"]), ('["B", "D"]', ["roi-c3[B]", "roi-c3"])],
)
def test_the_encoders_are_those_of_task_1_whatever_it_added_to_training(wide, extra, trained_in):
    plan = plan_of(with_values(wide, [f"task1.extra={extra}"]))
    read = dict.fromkeys(run.step.task for run in plan.semantics)
    assert list(read) == ["roi-c1", *trained_in]
    assert [run.title for run in plan.umap] == [f"UMAP of byol from {task}" for task in read]


def test_runs_of_the_earlier_choice_keep_their_keys(wide):
    """Results of set D, the default until the authors' choice was known, are found again."""
    runs = plan_of(with_values(wide, ["task1.extra=D"]))
    assert {run.step.task for run in runs.semantics} == {"roi-c1", "roi-c3"}
    assert {role for run in runs.regions for role in run.needs if role.startswith("test")} == {
        "test roi-c1", "test roi-c2", "test roi-c3", "test roi-c1-3d",
    }  # fmt: skip
    trained = {run.step.training_set for run in runs.regions if "-3d" not in run.step.training_set}
    assert trained == {"roi-c1:train+val", "roi-c3:train+val"}


def test_an_encoder_of_subvolumes_is_read_out_on_subvolumes(wide):
    plan = plan_of(with_values(wide, ['task3.encoders=["roi-c1", "roi-c1-3d"]']))
    depths = {run.step.task: {task.depth for task in read_tasks(run)} for run in plan.semantics}
    assert depths == {"roi-c1": {1}, "roi-c1-3d": {8}}
    measured = {need.id for run in plan.semantics for need in run.needs["features"]}
    assert plan.features is not None
    assert len(measured - {plan.features.id}) == 1
    for run in plan.semantics:
        # The features are measured on the samples that are embedded.
        (features,) = run.needs["features"]
        assert features.needs["samples"] == run.needs["samples"]
    # A slice every 8: subvolumes of 8 follow each other.
    deep = next(task for run in plan.semantics for task in read_tasks(run) if task.depth > 1)
    assert [z for cube, z in deep.samples("all") if cube == "A-VP"] == list(range(110, 470, 8))
    # Of its methods BYOL alone learns from subvolumes, and it is the one that is drawn.
    assert [run.title for run in plan.umap] == ["UMAP of byol from roi-c1", "UMAP of byol from roi-c1-3d"]


def test_a_method_is_drawn_where_it_is_trained(wide):
    changes = ['task3.encoders=["roi-c1", "roi-c1-3d"]', "task3.umap_method=pca"]
    assert [run.title for run in plan_of(with_values(wide, changes)).umap] == ["UMAP of pca from roi-c1"]
    changes[0] = 'task3.encoders=["roi-c1-3d"]'
    with pytest.raises(ValueError, match=r"task3.umap_method must be one of byol, got 'pca'"):
        plan_of(with_values(wide, changes))


def test_images_are_reduced_by_the_filter_that_the_preset_names():
    for name, resampling in (("original", "hamming"), (WIDE, "area")):
        runs = plan_of(read_preset(name)).runs
        assert {run.step.resampling for run in runs if isinstance(run.step, Semantics)} == {resampling}
